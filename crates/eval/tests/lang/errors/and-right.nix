true && null
