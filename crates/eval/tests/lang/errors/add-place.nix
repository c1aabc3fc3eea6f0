1
+ # a comment
(x: x)
