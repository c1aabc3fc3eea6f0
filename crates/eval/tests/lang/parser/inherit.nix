let a = 1; b = { c = 2; d = 3; }; e = 4; in { inherit a; inherit (b) c d; inherit; inherit (b); inherit "e"; }
