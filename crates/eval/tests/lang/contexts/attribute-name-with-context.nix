let d = derivation { name = "n"; system = "s"; builder = "b"; }; in builtins.attrNames { ${builtins.unsafeDiscardStringContext d.outPath} = 1; }
