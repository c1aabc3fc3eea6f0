builtins.path { paht = ./.; }
