builtins.hashFile "sha256" ./none
