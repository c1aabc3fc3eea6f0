with builtins; {
  read = readFile ../data/hello.txt;
  dir = readDir ../data;
  exists = map pathExists [ ../data ../data/none ../data/hello.txt ../data/link ];
  import = [ (import ../data/set.nix).a (import ../data/dir).b ];
  scoped = scopedImport { y = 2; } ../data/scoped.nix 1;
  normal = [ (toString /a/../b/./c) (toString (/a + "/b")) (/a/b == /a/b) (toString (/. + "x")) ];
  toPath = toPath "/a/./b/../c";
  interpolated = toString ../data/${"hello"}.txt == toString ../data/hello.txt;
  found = baseNameOf (findFile [ { prefix = "x"; path = ../data; } { path = ../data/dir; prefix = ""; } ] "x/hello.txt");
  found2 = baseNameOf (findFile [ { prefix = "x"; path = ../data; } { path = ../data/dir; prefix = ""; } ] "sub/file");
  env = getEnv "SALTIRE_SURELY_NOT_SET";
}
