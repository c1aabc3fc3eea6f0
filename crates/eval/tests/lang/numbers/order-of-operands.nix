# The second operand of `>`, `<=` and `//` is evaluated first.
map (e: (builtins.tryEval e).success) [ (1 < 2) (throw "a" > 1) (1 <= throw "b") ]
