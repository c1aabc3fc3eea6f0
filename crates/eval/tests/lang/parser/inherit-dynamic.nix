let a = 1; n = "a"; in { inherit ${n}; }
