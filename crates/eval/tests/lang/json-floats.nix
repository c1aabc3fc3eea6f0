# not in 2.8: floats were written with six digits and whole ones without a point
map builtins.toJSON [ 1.0 0.1 1.0e10 1.0e15 1.0e14 1.0e-5 123456789.125 (-0.0) ]
