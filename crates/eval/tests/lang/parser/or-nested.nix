{ a.b.c = 1; }.a.x.c or { a = 5; }.a or 6
