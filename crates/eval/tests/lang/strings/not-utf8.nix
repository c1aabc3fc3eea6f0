[ (builtins.stringLength (builtins.readFile ../data/latin1.txt)) (builtins.readFile ../data/latin1.txt == "gr\u00fc") ]
