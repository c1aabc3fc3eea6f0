let f = { n = 2; __functor = self: x: x * self.n; }; in [ (f 3) (map f [ 1 2 ]) ((f // { n = 5; }) 2) (builtins.isFunction f) (builtins.typeOf f) ]
