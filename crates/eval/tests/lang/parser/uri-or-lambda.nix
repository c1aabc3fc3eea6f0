# A colon followed by a space makes a function.
(x: y: x + y) 1 2
