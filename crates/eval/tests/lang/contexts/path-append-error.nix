let d = derivation { name = "n"; system = "s"; builder = "b"; }; in ./x + d.outPath
