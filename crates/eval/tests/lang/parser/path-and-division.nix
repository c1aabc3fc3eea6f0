let a = 12; b = 4; in [ (a / b) (12 / b) (a/ b) (toString (a/b)) ]
