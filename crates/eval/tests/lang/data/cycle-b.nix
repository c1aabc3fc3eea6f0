1 + import ./cycle-a.nix
