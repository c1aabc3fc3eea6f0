builtins.length (builtins.genericClosure { startSet = [ { key = x: x; } ]; operator = x: [ ]; })
