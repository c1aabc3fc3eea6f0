with builtins; let
  drv = derivation { name = "n"; system = "x86_64-linux"; builder = "/b"; outputs = [ "out" "dev" ]; };
  src = "${../data/hello.txt}";
  strip = mapAttrs (n: v: v);
in {
  drvPath = unsafeDiscardStringContext drv.drvPath;
  outPath = unsafeDiscardStringContext drv.outPath;
  dev = unsafeDiscardStringContext drv.dev.outPath;
  src = unsafeDiscardStringContext src;
  context = [
    (getContext drv.drvPath) (getContext drv.outPath) (getContext "${drv.dev}") (getContext src) (getContext "x")
    (getContext (drv.outPath + drv.dev + src))
  ];
  has = map hasContext [ drv.outPath "x" (unsafeDiscardStringContext drv.outPath) (substring 0 0 drv.outPath) (toString drv) ];
  kept = map (s: hasContext s) [
    (replaceStrings [ "n" ] [ "m" ] drv.outPath) (replaceStrings [ "a" ] [ drv.outPath ] "a") (replaceStrings [ "z" ] [ drv.outPath ] "a")
    (concatStringsSep drv.outPath [ "a" "b" ]) (head (split "(x)" src)) (toJSON drv) (baseNameOf drv.outPath) (dirOf drv.outPath)
  ];
  discard = getContext (unsafeDiscardOutputDependency drv.drvPath);
  append = getContext (appendContext "a" (getContext drv.outPath));
  file = unsafeDiscardStringContext (toFile "f" "hello ${src}");
  fileContext = attrNames (getContext (toFile "f" "x"));
  user = unsafeDiscardStringContext (derivation { name = "u"; system = "s"; builder = src; args = [ drv.dev drv.drvPath ]; env = [ drv src 1 true null ]; }).drvPath;
  fixed = unsafeDiscardStringContext (derivation { name = "f"; system = "s"; builder = "b"; outputHash = hashString "sha256" ""; outputHashAlgo = "sha256"; outputHashMode = "flat"; }).outPath;
  structured = unsafeDiscardStringContext (derivation { name = "s"; system = "s"; builder = "b"; __structuredAttrs = true; a = { b = [ 1 "x" drv ]; c = null; }; }).drvPath;
  nulls = unsafeDiscardStringContext (derivation { name = "s"; system = "s"; builder = "b"; __ignoreNulls = true; a = null; b = ""; c = false; }).drvPath;
  path = unsafeDiscardStringContext (path { path = ../data; name = "x"; filter = p: t: baseNameOf p != "dir"; });
  flat = unsafeDiscardStringContext (path { path = ../data/hello.txt; recursive = false; });
  filtered = unsafeDiscardStringContext (filterSource (p: t: t == "directory") ../data);
}
