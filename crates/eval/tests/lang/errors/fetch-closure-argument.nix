builtins.fetchClosure { fromStore = "https://example.org"; }
