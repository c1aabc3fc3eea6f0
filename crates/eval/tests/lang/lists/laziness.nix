with builtins; let l = [ (throw "a") 2 ]; in [ (length l) (elemAt l 1) (length (map (x: throw "b") l)) (elemAt (genList (n: if n == 0 then throw "c" else n) 3) 2) ]
