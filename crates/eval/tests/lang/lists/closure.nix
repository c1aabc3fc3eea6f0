builtins.genericClosure { startSet = [ { key = 1; } { key = 1; v = 2; } ]; operator = x: if x.key > 20 then [ ] else [ { key = x.key * 2; } { key = x.key + 1; } ]; }
