builtins.fromJSON " \t\r\n [ 1 , 2 ] \n"
