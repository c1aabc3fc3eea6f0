1 + builtins.length (builtins.genList (x: x) 20).a
