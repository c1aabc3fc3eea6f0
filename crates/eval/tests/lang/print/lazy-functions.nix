# print: lazy
let
  used = x: x;
  unused = x: x;
  set = { inherit used unused; nested = { f = used; }; };
in
builtins.seq (used 1) (builtins.seq set.nested [ used unused (y: y) set.used set ])
