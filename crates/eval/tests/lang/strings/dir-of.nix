with builtins; [ (dirOf "a") (dirOf "/a") (dirOf "a/b") (dirOf "/a/b/c") (dirOf "") (dirOf "/") (dirOf /a/b) (dirOf /a) (dirOf "a/b/") ]
