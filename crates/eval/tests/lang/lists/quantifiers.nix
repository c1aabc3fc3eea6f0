with builtins; [ (all (x: x) [ ]) (any (x: x) [ ]) (all (x: x > 0) [ 1 2 ]) (any (x: x > 1) [ 1 2 (throw "late") ]) (all (x: x > 1) [ 1 (throw "late") ]) ]
