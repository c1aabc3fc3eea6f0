map (x: x > 1.0e308) (builtins.attrValues (builtins.fromTOML "a = inf\nb = +inf\nc = -inf"))
