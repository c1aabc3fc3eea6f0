builtins.toFile "name.txt" "text with ${builtins.toFile "other" "x"}"
