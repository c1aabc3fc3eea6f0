builtins.addErrorContext "outer step" (builtins.addErrorContext "inner step" (throw "x"))
