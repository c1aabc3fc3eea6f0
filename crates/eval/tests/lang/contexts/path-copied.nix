let p = "${../data/hello.txt}"; in [ p (builtins.getContext p) ]
