builtins.genList "no function" 0
