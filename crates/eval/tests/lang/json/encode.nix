builtins.toJSON { b = [ 1 1.5 true null "x" ]; a = { }; "k \"q\"" = "\t\n\r\\/"; e = "é😀"; }
