# Lists.
{ lib }:

let
  inherit (builtins) length elemAt genList foldl' filter head;
in
rec {
  inherit (builtins)
    head tail length elem elemAt isList filter map concatLists concatMap
    genList sort partition groupBy all any foldl';

  singleton = value: [ value ];
  toList = value: if builtins.isList value then value else [ value ];
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: values: if condition then values else [ ];

  foldr = f: start: values:
    let
      count = length values;
      go = i: if i == count then start else f (elemAt values i) (go (i + 1));
    in go 0;
  fold = foldr;
  # Lazy in the accumulator, unlike foldl'.
  foldl = f: start: values:
    let go = i: if i < 0 then start else f (go (i - 1)) (elemAt values i);
    in go (length values - 1);

  imap0 = f: values: genList (i: f i (elemAt values i)) (length values);
  imap1 = f: values: genList (i: f (i + 1) (elemAt values i)) (length values);
  range = first: last: if first > last then [ ] else genList (i: first + i) (last - first + 1);
  replicate = count: value: genList (_: value) count;
  flatten = value: if builtins.isList value then concatMap flatten value else [ value ];
  remove = value: filter (other: other != value);
  count = wanted: foldl' (n: value: if wanted value then n + 1 else n) 0;
  findFirst = wanted: default: values:
    let
      size = length values;
      go = i:
        if i == size then default
        else if wanted (elemAt values i) then elemAt values i
        else go (i + 1);
    in go 0;
  findSingle = wanted: none: several: values:
    let found = filter wanted values;
    in if found == [ ] then none else if length found > 1 then several else head found;

  last = values:
    if values == [ ] then throw "lib.last: the list is empty"
    else elemAt values (length values - 1);
  init = values:
    if values == [ ] then throw "lib.init: the list is empty"
    else take (length values - 1) values;
  sublist = start: size: values:
    let
      available = lib.max 0 (length values - start);
    in genList (i: elemAt values (start + i)) (lib.min available size);
  take = size: sublist 0 size;
  drop = size: values: sublist size (length values) values;
  reverseList = values:
    let size = length values;
    in genList (i: elemAt values (size - 1 - i)) size;

  zipListsWith = f: a: b:
    genList (i: f (elemAt a i) (elemAt b i)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  unique = foldl' (seen: value: if builtins.elem value seen then seen else seen ++ [ value ]) [ ];
  allUnique = values: length (unique values) == length values;
  subtractLists = unwanted: filter (value: !builtins.elem value unwanted);
  intersectLists = wanted: filter (value: builtins.elem value wanted);
  mutuallyExclusive = a: b: intersectLists a b == [ ];
  hasPrefixList = prefix: values: take (length prefix) values == prefix;
  compareLists = compare: a: b:
    if a == [ ] then (if b == [ ] then 0 else -1)
    else if b == [ ] then 1
    else
      let order = compare (head a) (head b);
      in if order == 0 then compareLists compare (builtins.tail a) (builtins.tail b) else order;
}
