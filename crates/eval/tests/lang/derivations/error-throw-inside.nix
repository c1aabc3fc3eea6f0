(derivation { name = "f"; system = "s"; builder = "b"; x = throw "inside"; }).outPath
