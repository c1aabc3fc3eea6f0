builtins.isPath ~/x
