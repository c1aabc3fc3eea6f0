# flags: pipe-operators
1 |> (x: x) <| 2
