let r = { inherit (throw "unused") a b; c = 1; }; in [ r.c (builtins.attrNames r) ]
