builtins.toFile "f" (derivation { name = "x"; system = "s"; builder = "b"; }).outPath
