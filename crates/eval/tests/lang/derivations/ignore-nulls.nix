let d = a: (derivation ({ name = "s"; system = "s"; builder = "b"; __ignoreNulls = true; } // a)).drvPath; in d { x = null; } == d { }
