map (n: if n < 0 then "negative" else if n == 0 then "zero" else "positive") [ (-1) 0 1 ]
