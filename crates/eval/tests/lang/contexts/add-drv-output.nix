with builtins; let d = derivation { name = "n"; system = "s"; builder = "b"; }; in getContext (addDrvOutputDependencies (unsafeDiscardOutputDependency d.drvPath)) == getContext d.drvPath
