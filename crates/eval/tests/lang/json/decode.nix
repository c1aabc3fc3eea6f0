builtins.fromJSON ''{"a": [1, -2, 1.5, 1e3, true, false, null], "b": {"c": "\u0041\n\ud83d\ude00"}, "": 1, "a b": []}''
