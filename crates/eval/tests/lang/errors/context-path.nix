builtins.getEnv (derivation { name = "x"; system = "s"; builder = "b"; }).outPath
