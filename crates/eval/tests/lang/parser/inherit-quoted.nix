let b = { "x y" = 2; }; in { inherit (b) "x y"; }
