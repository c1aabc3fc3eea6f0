{ z = 1; a = 2; b = [ 1 2 3 ]; c = "long text"; d = { e.f.g.h = 1; }; type = "thing"; i = 1; j = 1; k = 1; l = 1; m = 1; n = 1; } 1
