# flags: pipe-operators
(missing |> absent)
