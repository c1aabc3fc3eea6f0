(derivation { name = "f"; system = "s"; builder = "b"; x = { a = 1; }; }).outPath
