let a = derivation { name = "a"; system = "s"; builder = "b"; }; b = derivation { name = "b"; system = "s"; builder = a; args = [ a.outPath ]; src = ../data/hello.txt; }; in [ b.drvPath b.outPath ]
