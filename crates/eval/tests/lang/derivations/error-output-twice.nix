(derivation { name = "f"; system = "s"; builder = "b"; outputs = [ "out" "out" ]; }).outPath
