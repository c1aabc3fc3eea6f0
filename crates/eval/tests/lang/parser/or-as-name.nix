let or = 1; x = { or = 2; }; in [ (x.or) (x.or or 3) (x.y or 4) ]
