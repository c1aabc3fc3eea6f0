(derivation { name = "n"; system = "s"; }).outPath
