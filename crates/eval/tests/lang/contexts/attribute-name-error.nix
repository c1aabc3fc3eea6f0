let d = derivation { name = "n"; system = "s"; builder = "b"; }; in { ${d.outPath} = 1; }
