builtins.abort "stop"
