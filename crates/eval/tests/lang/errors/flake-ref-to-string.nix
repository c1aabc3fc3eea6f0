builtins.flakeRefToString { type = "git"; x = [ ]; }
