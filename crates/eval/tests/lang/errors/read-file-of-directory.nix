builtins.readFile ../data
