(derivation { name = "f"; system = "s"; builder = "b"; outputHash = "123"; outputHashAlgo = "sha256"; }).outPath
