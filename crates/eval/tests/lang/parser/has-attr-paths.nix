let s = { a.b.c = 1; "x y" = 2; }; n = "b"; in [ (s ? a) (s ? a.b.c) (s ? a.${n}) (s ? a."b".d) (s ? "x y") (s ? x.y) (1 ? a) (s.a ? b) (s ? a.b.c.d) ]
