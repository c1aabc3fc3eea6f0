{ a.b.c.d.e.f.g = 1; a.b.c.d.e.h = 2; }.a.b.c.d.e
