builtins.toXML {
  a = [ 1 1.5 true null "<&\"\n>" /tmp ];
  f = x: x;
  g = { b, a ? 1, ... }@all: a;
  h = map;
  d = { type = "derivation"; drvPath = "d"; outPath = "o"; };
  e = { type = "derivation"; drvPath = "d"; outPath = "o"; };
}
