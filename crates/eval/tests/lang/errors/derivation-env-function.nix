(derivation { name = "n"; system = "s"; builder = "b"; env = x: x; }).outPath
