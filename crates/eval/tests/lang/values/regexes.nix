with builtins; {
  match = [
    (match "a|b" "ax") (match "(a)(b)?" "a") (match "[[:space:]]+([[:upper:]]+)[[:space:]]+" "  FOO   ") (match "ab" "abc")
    (match "(.*)\\.nix" "default.nix") (match "" "") (match "a{2,3}" "aaa")
  ];
  split = [
    (split "(a)b" "abc") (split "([ac])" "abc") (split "(a)|(c)" "abc") (split "([[:upper:]]+)" " FOO ") (split "," "a,b") (split "x" "abc") (split "" "ab")
  ];
}
