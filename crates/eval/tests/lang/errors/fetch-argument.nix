builtins.fetchurl { uri = "http://localhost/"; }
