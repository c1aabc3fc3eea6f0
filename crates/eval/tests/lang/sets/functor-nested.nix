let f = { __functor = self: { __functor = s: x: x + 1; }; }; in (f 1) 2
