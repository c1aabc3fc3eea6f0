# Attribute sets.
{ lib }:

let
  inherit (builtins) attrNames hasAttr getAttr head tail listToAttrs foldl';
in
rec {
  inherit (builtins)
    attrNames attrValues hasAttr getAttr removeAttrs listToAttrs
    intersectAttrs catAttrs mapAttrs zipAttrsWith;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: { inherit name; value = f name; }) names);

  attrByPath = path: default: set:
    if path == [ ] then set
    else if builtins.isAttrs set && hasAttr (head path) set
    then attrByPath (tail path) default set.${head path}
    else default;
  hasAttrByPath = path: set:
    path == [ ]
    || builtins.isAttrs set && hasAttr (head path) set && hasAttrByPath (tail path) set.${head path};
  setAttrByPath = path: value:
    if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  getAttrFromPath = path: attrByPath path
    (throw "there is no attribute '${lib.concatStringsSep "." path}'");
  attrVals = names: set: map (name: set.${name}) names;
  attrsToList = set: map (name: nameValuePair name set.${name}) (attrNames set);

  filterAttrs = keep: set:
    removeAttrs set (builtins.filter (name: !keep name set.${name}) (attrNames set));
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  concatMapAttrs = f: set: foldl' (a: b: a // b) { } (mapAttrsToList f set);
  foldlAttrs = f: start: set: foldl' (acc: name: f acc name set.${name}) start (attrNames set);
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond = descend: f: set:
    let
      go = path: builtins.mapAttrs (name: value:
        if builtins.isAttrs value && descend value
        then go (path ++ [ name ]) value
        else f (path ++ [ name ]) value);
    in go [ ] set;
  collect = wanted: value:
    if wanted value then [ value ]
    else if builtins.isAttrs value then lib.concatMap (collect wanted) (builtins.attrValues value)
    else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  zipAttrs = zipAttrsWith (name: values: values);
  cartesianProductOfSets = sets:
    foldl'
      (rows: name: lib.concatMap (row: map (value: row // { ${name} = value; }) sets.${name}) rows)
      [ { } ]
      (attrNames sets);

  # Joins two sets; sets inside both are joined in the same way, as long as
  # `stop path a b` is false.
  recursiveUpdateUntil = stop: a: b:
    let
      go = path: zipAttrsWith (name: values:
        let here = path ++ [ name ];
        in
        if builtins.length values == 1
          || stop here (head values) (builtins.elemAt values 1)
        then lib.last values
        else go here values);
    in go [ ] [ a b ];
  recursiveUpdate = recursiveUpdateUntil
    (path: a: b: !(builtins.isAttrs a && builtins.isAttrs b));

  # Whether every attribute of `pattern` is in `set`, with the same value.
  matchAttrs = pattern: set:
    builtins.all
      (name: hasAttr name set && (
        if builtins.isAttrs pattern.${name}
        then builtins.isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
        else pattern.${name} == set.${name}))
      (attrNames pattern);

  isDerivation = value: value.type or null == "derivation";
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };

  # One output of a package, or the package where it has no such output.
  getOutput = output: package:
    if package.outputSpecified or false then package
    else package.${output} or package.out or package;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = package:
    if package.outputSpecified or false then package else package.dev or package.out or package;
  getMan = getOutput "man";
  chooseDevOutputs = map getDev;
}
