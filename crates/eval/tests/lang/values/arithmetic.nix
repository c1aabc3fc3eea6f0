{
  integers = [ (1 + 2) (5 - 7) (-3 * 4) (7 / 2) (-7 / 2) (2 * -(3)) ];
  floats = [ (1.5 + 1) (3 / 2.0) (0.1 * 3) (1.0e3) (1.0e10) (-0.5) (1.0e-7) .5 ];
  named = [ (builtins.add 1 2) (builtins.sub 1 2) (builtins.mul 3 4) (builtins.div 9 2) ];
  bits = [ (builtins.bitAnd 12 10) (builtins.bitOr 12 10) (builtins.bitXor 12 10) (builtins.bitAnd (-1) 255) ];
  rounding = map builtins.ceil [ 1.1 (-1.1) 2 ] ++ map builtins.floor [ 1.1 (-1.1) 2 ];
  large = [ 9223372036854775807 (-9223372036854775807 - 1) 4611686018427387904 1152921504606846975 1152921504606846976 ];
  comparisons = [
    (1 < 2) (2 <= 1) (1 < 1.5) (1 == 1.0) (2 >= 2.0) (1 != 2) ("a" < "b") ([ 1 2 ] < [ 1 3 ])
    ([ ] < [ 1 ]) ([ 1 ] < [ ]) (/a < /b) ("a" < "aa") ("Z" < "a")
  ];
  logic = [ (true && false) (true || throw "no") (false -> throw "no") (!true) (true -> false) ];
  precedence = [ (1 + 2 * 3) (!true || true) (1 < 2 && 3 < 2) (2 - 1 - 1) (8 / 2 / 2) (- 1 + 2) ];
}
