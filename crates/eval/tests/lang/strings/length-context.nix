builtins.stringLength "${../data/hello.txt}"
