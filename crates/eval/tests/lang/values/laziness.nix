let
  fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2);
  xs = [ 1 ] ++ map (x: x * 2) xs;
  long = builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000);
  chain = builtins.foldl' (a: b: { inherit a b; }) null (builtins.genList (x: x) 10000);
  count = n: if n == 0 then 0 else count (n - 1);
in {
  fib = fib 15;
  inherit long;
  unused = (x: 1) (throw "never");
  assertion = assert true; 2;
  conditional = if 1 < 2 then "yes" else throw "no";
  self = let r = { a = r.b; b = 3; }; in r.a;
  even = let even = n: n == 0 || odd (n - 1); odd = n: n != 0 && even (n - 1); in even 100;
  deep = chain.a.a.b;
  count = count 4000;
  currying = let f = a: b: c: a + b + c; g = f 1; in map (g 2) [ 3 4 ];
  pattern = let f = { x ? 1, y ? x + 1 }: [ x y ]; in [ (f { }) (f { x = 5; }) ];
  shadow = let map = x: "mine"; in map 1;
}
