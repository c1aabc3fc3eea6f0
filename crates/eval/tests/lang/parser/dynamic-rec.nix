let n = "x"; in rec { ${n} = 1; y = 2; z = y; ${n + "y"} = z; }
