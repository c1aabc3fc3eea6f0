import "foo.nix"
