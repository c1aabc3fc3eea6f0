map placeholder [ "out" "dev" ]
