let f = x: { a = 1; }
  // x; in (f (y: y)).a
