(derivation { name = "f"; system = "s"; builder = "b"; outputs = [ ]; }).outPath
