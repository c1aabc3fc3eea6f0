let f = x: x; in !{ a = y: y; b = [ (z: z) ]; inherit f; }
