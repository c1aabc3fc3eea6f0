with builtins; [ (substring 0 2 "abc") (substring 1 (-1) "abc") (substring 5 2 "abc") (substring 2 100 "abc") (substring 0 0 "abc") (substring 3 1 "abc") (substring 1 9223372036854775807 "abc") ]
