# print: json
{ a = 1; b = [ 1.5 null ]; c = ../data/hello.txt; }
