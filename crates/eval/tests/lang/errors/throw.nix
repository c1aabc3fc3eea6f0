throw "went wrong: ${toString 1}"
