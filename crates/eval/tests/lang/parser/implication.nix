[ (false -> throw "unused") (true -> true) (true -> false) ]
