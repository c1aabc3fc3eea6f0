let f = x: x + 1; s = { a = 1; b.c = 2; }; in [ (f 1) s.a s.b.c s.d or 3 "x" [ ] { } (-1) (x: x).a or 4 ]
