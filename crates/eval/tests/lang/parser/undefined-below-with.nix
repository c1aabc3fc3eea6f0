let a = with { }; anything; in { b = 1; inherit a; }.b
