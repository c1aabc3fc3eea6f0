# Functions that give functions, called with some of their arguments, all, or more.
let
  three = a: b: c: [ a b c ];
  partial = three 1;
  more = partial 2;
  shadowed = x: y: x: [ x y ];
  sum = a: b: if b == 0 then a else sum (a + 1) (b - 1);
  pattern = a: { b, c ? a + b }: d: e: [ a b c d e ];
  deep = a: b: let inner = c: d: [ a b c d ]; in inner;
  object = { __functor = self: x: y: [ self.z x y ]; z = 0; };
  lazy = a: b: c: b;
in {
  all = three 1 2 3;
  # Each call has variables of its own, whoever made the function.
  twice = [ (partial 2 3) (partial 4 5) (more 6) (more 7) (partial 2 3) ];
  mapped = map (f: f 9) (map partial [ 1 2 3 ]);
  folded = builtins.foldl' (a: b: a * 10 + b) 0 [ 1 2 3 ];
  shadowed = shadowed 1 2 3;
  shadowedLater = map (shadowed 1 2) [ 3 4 ];
  recursion = sum 5 2000;
  pattern = [ (pattern 1 { b = 2; } 3 4) (pattern 1 { b = 2; c = 0; } 5 6) ];
  deep = [ (deep 1 2 3 4) (map (deep 1 2 3) [ 5 6 ]) ];
  object = [ (object 1 2) (map (object 1) [ 3 4 ]) ];
  lazy = lazy (throw "a") 2 (throw "c");
  strict = let f = a: b: c: c + b + a; g = f (2 + 3); in [ (g (1 + 1) (0 + 1)) (map (g 0) [ 1 2 ]) ];
  same = let f = three 1; in [ (f == f) ([ f ] == [ f ]) ];
  attrs = builtins.mapAttrs (name: value: name + value) { a = "b"; c = "d"; };
  called = builtins.mapAttrs (_: f: f "e") (
    builtins.mapAttrs (name: value: extra: name + value + extra) { a = "b"; c = "d"; }
  );
}
