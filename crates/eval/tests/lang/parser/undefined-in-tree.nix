# print: parse
[ (x: x) y ]
