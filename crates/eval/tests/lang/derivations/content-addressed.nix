(derivation { name = "f"; system = "s"; builder = "b"; __contentAddressed = true; }).outPath
