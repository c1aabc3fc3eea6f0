builtins.findFile [ { path = ../data; } ] "none"
