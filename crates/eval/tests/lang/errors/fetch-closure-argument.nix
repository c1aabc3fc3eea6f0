# flags: fetch-closure
builtins.fetchClosure { fromStore = "https://example.org"; }
