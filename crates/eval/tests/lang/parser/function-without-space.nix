let f = a: 1; g = {a}:a; h = {a,b?1}@c: a; in [ (h { a = 1; }) (g { a = 2; }) ]
