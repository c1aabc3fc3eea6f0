let s = { a = s; b = [ s s ]; }; in s
