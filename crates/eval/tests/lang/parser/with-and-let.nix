let a = 1; in with { a = 2; c = 3; }; [ a c ]
