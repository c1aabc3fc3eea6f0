let
  d = a: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // a);
  src = d { name = "src.tar.gz"; builder = "builtin:fetchurl"; system = "builtin"; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="; url = "mirror://x"; };
  tree = d { name = "tree"; outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = "0000000000000000000000000000000000000000000000000001"; };
  old = d { name = "old"; outputHashMode = "recursive"; outputHashAlgo = "sha1"; outputHash = "0123456789012345678901234567890123456789"; };
  lib = d { name = "lib-1.0"; outputs = [ "out" "dev" "man" ]; src = src; text = "tab\t quote\" back\\slash nl\n cr\r dollar\${x} äöü"; args = [ "-c" "echo \"$x\"\n" ]; n = 5; t = true; f = false; nul = null; l = [ 1 "b c" tree ]; };
  app = d { name = "app"; libdev = lib.dev; lib = lib; inherit old; txt = builtins.toFile "note" "hi ${builtins.toFile "inner" "x"}"; };
  structured = d { name = "st"; __structuredAttrs = true; outputs = [ "out" "bin" ]; a = { b = [ 1 2 ]; }; dep = app; };
in { inherit src tree old lib app structured; }
