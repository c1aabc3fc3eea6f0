with builtins; [ (foldl' (a: b: a - b) 10 [ 1 2 3 ]) (foldl' (a: b: b) (throw "lazy") [ 1 ]) (foldl' (a: b: a) 1 [ ]) ]
