[ (let a = 1; in a) (if true then 1 else 2) (with { a = 3; }; a) ]
