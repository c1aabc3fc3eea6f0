builtins.readFile (builtins.unsafeDiscardStringContext "${toString ../data/hello.txt}")
