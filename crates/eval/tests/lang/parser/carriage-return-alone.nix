let a = 1;b = 2; in # a comment up to the end
[ a b ]
