let s = { a.b.c = throw "inside"; }; in s.a.b.c
