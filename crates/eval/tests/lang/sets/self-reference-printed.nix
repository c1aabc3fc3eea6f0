let s = { a = s; b = 1; }; in [ s.a.a.b (builtins.attrNames s.a) ]
