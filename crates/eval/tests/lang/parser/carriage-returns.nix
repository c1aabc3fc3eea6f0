# comment ended by CR LF
let
  a = "x
y";
  b = ''
    one
    two
  '';
in
[ a b ]
