with builtins; [ (filter (x: x != 2) [ 1 2 3 ]) (map (x: x * x) [ 1 2 3 ]) (filter (x: false) [ 1 ]) (map (f: f 1) [ (x: x) (add 1) ]) ]
