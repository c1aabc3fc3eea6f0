let f = x: y: [ x y ]; s = { a = 1; }; in f s.b or 2 s.a or 3
