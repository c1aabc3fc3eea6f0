builtins.listToAttrs [ { nam = "a"; value = 1; } ]
