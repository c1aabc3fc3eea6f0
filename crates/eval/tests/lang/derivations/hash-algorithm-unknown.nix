(derivation { name = "a"; system = "s"; builder = "b"; outputHashAlgo = "unknown"; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }).drvPath
