# print: lazy
let x = 1 + 1; in [ x x ]
