# print: xml
[ (x: x) ({ a, b ? 1 }: a) ({ c, ... }@args: c) map (map 1) ]
