let f = { a, b ? c }: a; in 1
