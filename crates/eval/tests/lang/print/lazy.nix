# print: lazy
{ a = 1; b = 1 + 1; c = [ 1 (1 + 1) ]; d = x: x; e = map; f = map 1; g = "a\${b}"; "h i" = 1; }
