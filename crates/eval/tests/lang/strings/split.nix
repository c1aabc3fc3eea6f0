with builtins; [
  (split "," "a,b,,c") (split "(,)" "a,b") (split "x" "") (split "" "") (split "a*" "baac") (split "([0-9]+)" "a1b22c")
  (split "(a)|b" "abc") (split "[[:space:]]+" " a b  c ") (split "/" "/usr/bin/") (split "^a" "aaa")
]
