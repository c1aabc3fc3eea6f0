let __nixPath = [ { prefix = "mine"; path = ../data; } ]; in baseNameOf <mine/hello.txt>
