let
  hash = builtins.hashString "sha256" "abc";
  to = toHashFormat: builtins.convertHash { inherit hash toHashFormat; hashAlgo = "sha256"; };
in map to [ "base16" "nix32" "base64" "sri" ] ++ [
  (builtins.convertHash { hash = to "sri"; toHashFormat = "base16"; })
  (builtins.convertHash { hash = "sha256:" + to "nix32"; toHashFormat = "base16"; })
]
