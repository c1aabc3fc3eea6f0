import ../data/throws.nix "x"
