let x = with x; a; in x
