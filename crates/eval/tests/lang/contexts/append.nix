with builtins; let d = derivation { name = "n"; system = "s"; builder = "b"; }; in [ (getContext (appendContext "x" (getContext d.outPath))) (appendContext "x" { }) ]
