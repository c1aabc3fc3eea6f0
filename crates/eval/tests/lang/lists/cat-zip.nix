with builtins; [ (catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ]) (zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ]) (zipAttrsWith (n: vs: 1) [ ]) ]
