with builtins; let
  drv = derivation { name = "n"; system = "x86_64-linux"; builder = "/b"; };
in {
  type = map readFileType [ ../data ../data/hello.txt ../data/link ];
  add = getContext (addDrvOutputDependencies (unsafeDiscardOutputDependency drv.drvPath)) == getContext drv.drvPath;
  warn = isFunction warn;
  verbose = traceVerbose "x" 1;
  break_ = break 1;
  lazyReplacement = replaceStrings [ "x" ] [ (throw "unused") ] "abc";
}
