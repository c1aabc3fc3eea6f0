with builtins; {
  to = toJSON { a = [ 1 true null "x\n\"\\/" { b = -3; } [ ] { } ]; "é" = "ü"; z = { outPath = "p"; ignored = 1; }; s = { __toString = self: "t"; }; };
  from = fromJSON ''{"a": [1, -2, 3.5, 1e3, true, false, null], "b": {"c": "\u00e9\ud83d\ude00\n"}, "a b": {}, "dup": 1, "dup": 2}'';
  scalars = map fromJSON [ "1" "\"s\"" "null" " [ ] " ];
  back = fromJSON (toJSON { a = [ 1 2.5 ]; });
}
