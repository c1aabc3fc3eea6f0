builtins.convertHash { hash = "abc"; toHashFormat = "sri"; hashAlgo = "sha256"; }
