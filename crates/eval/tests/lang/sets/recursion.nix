let s = rec { a = b; b = c; c = 1; d = { inherit a; e = d.a; }; }; in s
