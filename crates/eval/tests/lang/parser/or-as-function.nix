# In a list and after a function `or` binds to what is before it.
let or = x: x; f = x: x; in [ (f or 1) ]
