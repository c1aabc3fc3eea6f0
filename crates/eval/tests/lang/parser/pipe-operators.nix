# flags: pipe-operators
[
  (1 |> (x: x + 1) |> toString)
  ((x: x * 2) <| 4)
  ([ 1 2 ] |> map (x: x + 1) |> builtins.foldl' (a: b: a + b) 0)
  (builtins.length <| builtins.filter (x: x > 1) <| [ 1 2 3 ])
  (true || 1 |> (x: false))
]
