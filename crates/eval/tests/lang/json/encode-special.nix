builtins.map builtins.toJSON [ { outPath = "/x"; y = 1; } { __toString = self: "s"; } { outPath.a = 1; } [ ] "" (-1) 1.0e20 ]
