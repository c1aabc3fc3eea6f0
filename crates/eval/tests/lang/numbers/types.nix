with builtins; map typeOf [ 1 1.0 "s" /p null true [ ] { } (x: x) map (add 1) ]
