(derivation { name = "s"; system = "s"; builder = "b"; __structuredAttrs = true; a = { b = [ 1 1.5 "x" ]; }; outputs = [ "out" "lib" ]; }).drvPath
