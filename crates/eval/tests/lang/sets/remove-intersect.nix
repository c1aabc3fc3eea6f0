with builtins; [ (removeAttrs { a = 1; b = 2; } [ "a" "z" ]) (removeAttrs { } [ "a" ]) (intersectAttrs { a = 0; c = 0; } { a = 1; b = 2; }) (removeAttrs { a = 1; } [ ]) ]
