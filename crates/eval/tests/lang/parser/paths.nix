builtins.map toString [ /a/b /a-b/c_d.e+f ./x ./x/y.nix ../x ~/home /a/../b /. ]
