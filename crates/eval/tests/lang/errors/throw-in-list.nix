[ 1 (throw "x") ]
