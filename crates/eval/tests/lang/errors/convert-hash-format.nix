builtins.convertHash { hash = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; toHashFormat = "base7"; hashAlgo = "sha256"; }
