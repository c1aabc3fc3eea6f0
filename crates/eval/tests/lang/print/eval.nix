# print: eval
{ a = 1; b = 1 + 1; f = x: x; g = { a }: a; m = map; p = map 1; s = "a\n\${b}\"\\"; t = [ 1 [ ] { } ]; n = null; d = 1.0e10; path = /a/b; "x y" = 1; or = 1; "if" = 2; }
