let f = x: x; in [ (f (-1)) (3 - f 1) ]
