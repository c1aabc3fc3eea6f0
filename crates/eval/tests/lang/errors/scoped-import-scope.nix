scopedImport 1 ../data/scoped.nix
