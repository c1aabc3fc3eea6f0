with { a = 1; }; (with { b = 2; }; (a: a + b) 10) + a
