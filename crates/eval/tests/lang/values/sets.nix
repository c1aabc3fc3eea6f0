with builtins; let
  set = { b = 2; a = 1; "with space" = 3; };
in {
  names = attrNames set;
  values = attrValues set;
  select = [ set.a set."with space" (set.z or 9) (set.a.b or 8) ({ x.y = 1; }.x.y) (getAttr "a" set) set.${"b"} ];
  has = [ (set ? a) (set ? z) (set ? a.b) (hasAttr "a" set) ({ a.b = 1; } ? a.b) ({ } ? "x y") ];
  update = set // { a = 10; c = 4; };
  updateEmpty = [ ({ } // { a = 1; }) ({ a = 1; } // { }) ];
  remove = removeAttrs set [ "a" "zzz" ];
  listToAttrs = listToAttrs [ { name = "a"; value = 1; } { name = "b"; value = 2; } { name = "a"; value = 3; } ];
  intersect = intersectAttrs { a = 0; c = 0; } set;
  cat = catAttrs "a" [ { a = 1; } { b = 0; } { a = 2; } ];
  map = mapAttrs (n: v: n + toString v) set;
  lazyMap = attrNames (mapAttrs (n: v: throw n) set);
  zip = zipAttrsWith (n: vs: [ n vs ]) [ { a = 1; b = 2; } { a = 3; } ];
  recursive = rec { a = b + 1; b = 1; };
  nested = { a.b.c = 1; a.b.d = 2; a.e = 3; };
  merged = { a = { b = 1; }; a.c = 2; };
  dynamic = let n = "x"; in { ${n} = 1; ${null} = 2; "${n}y" = 3; };
  inherited = let a = 1; in { inherit a; inherit (set) b; };
  overrides = rec { a = 1; b = a; __overrides = { a = 2; }; }.b;
  with_ = [ (with { a = 1; }; with { b = 2; }; a + b) (let a = 1; in with { a = 2; }; a) (with { a = 1; }; with { a = 2; }; a) ];
  letOld = let { body = x; x = 7; };
  functionArgs = [ (functionArgs ({ a, b ? 1, ... }: a)) (functionArgs (x: x)) (functionArgs map) ];
  functor = { __functor = self: x: self.y + x; y = 1; } 2;
  equality = [ ({ a = 1; } == { a = 1; }) ({ a = 1; } == { b = 1; }) ({ type = "derivation"; outPath = "a"; x = 1; } == { type = "derivation"; outPath = "a"; x = 2; }) ];
  formals = [ (({ a, b ? a }: b) { a = 1; }) (({ a, ... }@all: all) { a = 1; c = 2; }) ((all@{ a ? 5, ... }: [ a all ]) { }) ];
  keys = { "" = 1; "1a" = 2; a-b = 3; "if" = 4; "a.b" = 5; };
}
