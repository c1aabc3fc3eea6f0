let a = derivation { name = "a"; system = "s"; builder = "b"; }; in (derivation { name = "b"; system = "s"; builder = "b"; x = a.drvPath; }).drvPath
