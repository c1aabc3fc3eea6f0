# print: xml
{ a = [ 1 1.5 true null "<&\"\n>" /tmp ]; b.c = "x"; }
