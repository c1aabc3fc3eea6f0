with builtins; let
  numbers = [ 3 1 2 ];
in {
  access = [ (head numbers) (tail numbers) (elemAt numbers 2) (length numbers) (length [ ]) ];
  map = map (x: x * 2) numbers;
  filter = filter (x: x > 1) numbers;
  lazy = [ (length [ (throw "a") (throw "b") ]) (head [ 1 (throw "b") ]) (length (map throw [ "a" ])) ];
  elem = [ (elem 1 numbers) (elem 9 numbers) (elem [ 1 ] [ [ 1 ] ]) ];
  folds = [ (foldl' (a: b: a - b) 10 numbers) (foldl' (a: b: b) (throw "unused") [ 1 ]) ];
  concat = [ (concatLists [ [ 1 ] [ ] [ 2 3 ] ]) (concatMap (x: [ x x ]) numbers) ([ 1 ] ++ [ ] ++ [ 2 ]) ];
  any = [ (any (x: x == 1) numbers) (any (x: true) [ ]) (all (x: x > 0) numbers) (all (x: false) [ ]) ];
  genList = genList (x: x * x) 5;
  sort = [ (sort lessThan numbers) (sort (a: b: a > b) numbers) (sort (a: b: a.k < b.k) [ { k = 1; v = 1; } { k = 0; v = 2; } { k = 1; v = 3; } { k = 0; v = 4; } ]) (sort lessThan [ "b" "a" "" ]) ];
  partition = partition (x: x > 1) numbers;
  groupBy = groupBy (x: if x > 1 then "big" else "small") numbers;
  closure = genericClosure {
    startSet = [ { key = 5; } ];
    operator = { key }: if key > 0 then [ { key = key - 1; } { key = key / 2; } ] else [ ];
  };
  sortLarge = let n = 500; l = genList (i: let x = i * 7919; in x - (x / n) * n) n; in (sort lessThan l) == genList (x: x) n;
  equality = [ ([ 1 2 ] == [ 1 2 ]) ([ 1 ] == [ 1.0 ]) ([ ] == { }) ([ (x: x) ] == [ (x: x) ]) (let f = x: x; in [ f ] == [ f ]) ];
}
