builtins.toJSON (builtins.readFile ../data/latin1.txt)
