# print: parse
let f = { a, b ? 1, ... }@c: a + b * 2; x.y = "s${toString 1}"; in rec { inherit f; inherit (x) y; z = if f ? a.b then [ 1 2.5 ./p ] else with x; assert y == null; !true; "q r" = x.y or (-1); }
