let a' = 1; a-b = 2; _x = 3; a_b'c-d = 4; in [ a' a-b _x a_b'c-d ]
