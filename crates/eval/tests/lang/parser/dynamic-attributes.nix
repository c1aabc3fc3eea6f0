let n = "a"; in { ${n} = 1; "${n}b" = 2; ${n + "c"}.d = 3; ${null} = 4; "lit eral" = 5; }
