(derivation { name = "f"; builder = "b"; }).outPath
