with builtins; [
  (replaceStrings [ "a" "b" ] [ "b" "a" ] "abc")
  (replaceStrings [ "" ] [ "-" ] "abc")
  (replaceStrings [ "" "a" ] [ "-" "x" ] "aba")
  (replaceStrings [ "ab" "a" ] [ "1" "2" ] "abaab")
  (replaceStrings [ "a" "ab" ] [ "2" "1" ] "abaab")
  (replaceStrings [ ] [ ] "abc")
  (replaceStrings [ "x" ] [ "y" ] "")
  (replaceStrings [ "" ] [ "z" ] "")
  (replaceStrings [ "\n" ] [ " " ] "a\nb\n")
]
