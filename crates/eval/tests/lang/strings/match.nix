with builtins; [
  (match "ab" "abc") (match "a(b)(c)?" "ab") (match "(a|b)*" "abab") (match "[[:alpha:]]+([0-9]+)" "abc123")
  (match ".*\\.nix" "default.nix") (match "" "") (match "a{2,3}" "aaa") (match "a{2,3}" "aaaa") (match "(x)?y" "y")
  (match "[^/]*/(.*)" "a/b/c") (match "\\$\\{([a-z]+)}" "\${abc}") (match "(.*)\n(.*)" "a\nb") (match "[]a]+" "]a")
]
