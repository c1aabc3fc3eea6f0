let f = x: g x; g = x: builtins.seq (h x) 1; h = x: throw "deep ${x}"; in f "down"
