builtins.unsafeDiscardStringContext (builtins.path { path = ../data/hello.txt; recursive = false; name = "h"; sha256 = builtins.hashFile "sha256" ../data/hello.txt; })
