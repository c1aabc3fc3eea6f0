(derivation { name = "f.drv"; system = "s"; builder = "b"; }).outPath
