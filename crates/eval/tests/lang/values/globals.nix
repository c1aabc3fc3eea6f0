# flags: fetch-tree
[
  (map isNull [ null ]) (toString 1) (baseNameOf "a/b") (dirOf "a/b") (removeAttrs { a = 1; } [ "a" ]) (placeholder "x")
  (builtins.isFunction abort) (builtins.isFunction throw) (builtins.isFunction import) (builtins.isFunction scopedImport)
  (builtins.isFunction derivation) (builtins.isFunction derivationStrict) (builtins.isFunction fetchTarball)
  (builtins.isFunction fetchGit) (builtins.isFunction fetchMercurial) (builtins.isFunction fetchTree)
  (fromTOML "a = 1") (break 1) true false null (__add 1 2) (__typeOf __currentSystem) __langVersion __storeDir (__length __nixPath)
]
