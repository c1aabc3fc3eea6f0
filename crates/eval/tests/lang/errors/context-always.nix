let f = n: if n == 0 then builtins.addErrorContext "while doing the important thing" (throw "no") else builtins.seq (f (n - 1)) 1;
in f 6
