"x" -> true
