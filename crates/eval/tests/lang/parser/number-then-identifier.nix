let x1 = 3; e5 = 1; in [ x1 (1.5.a or 2) ]
