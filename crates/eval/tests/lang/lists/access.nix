with builtins; let l = [ 1 2 3 ]; in [ (head l) (tail l) (elemAt l 2) (length l) (tail [ 1 ]) (elem 2 l) (elem 4 l) (elem [ 1 ] [ [ 1 ] ]) ]
