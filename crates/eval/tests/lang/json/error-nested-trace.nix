builtins.toJSON { a.b = [ 1 (throw "inside") ]; }
