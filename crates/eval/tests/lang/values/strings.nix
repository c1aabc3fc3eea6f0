let
  x = "x";
  indented = ''
    first ${x}
      second
    ''${x} ''' ''\n ''\t|

    last'';
in {
  inherit indented;
  escapes = "a\n\t\r\"\\\${x}$x \q";
  dollars = "$$${x} $";
  interpolated = "${x}${"y" + x}${toString 1}";
  empty = [ "" '''' ];
  only_interpolation = ''
      ${x}
        y
    '';
  tabs = "	tab";
  concatenation = "a" + "b" + "c";
  length = map builtins.stringLength [ "" "abc" "é" ];
  substring = [ (builtins.substring 1 2 "abcd") (builtins.substring 2 (-1) "abcd") (builtins.substring 9 1 "ab") (builtins.substring 0 0 "ab") (builtins.substring 0 99 "ab") ];
  concat = builtins.concatStringsSep ", " [ "a" "b" "" "c" ];
  concatNone = builtins.concatStringsSep ", " [ ];
  replace = [
    (builtins.replaceStrings [ "a" "b" ] [ "b" "a" ] "aabb")
    (builtins.replaceStrings [ "oo" "a" ] [ "a" "oo" ] "foobar")
    (builtins.replaceStrings [ "" ] [ "-" ] "abc")
    (builtins.replaceStrings [ "" "b" ] [ "-" "x" ] "abc")
    (builtins.replaceStrings [ "ab" "a" ] [ "1" "2" ] "aab")
    (builtins.replaceStrings [ ] [ ] "abc")
  ];
  names = map baseNameOf [ "a/b" "/a/b/" "a" "" "/" "a//" ./x ];
  directories = map dirOf [ "a/b" "/a" "a" "" "/" "a/b/" ];
  path = toString (dirOf /a/b);
  toString = map toString [ 1 (-5) true false null "s" [ 1 2 [ 3 ] [ ] "x" ] { __toString = self: "f"; } { outPath = "o"; } 1.5 /a ];
  set = "${ { outPath = "/x"; } }${ { __toString = self: self.v; v = "v"; } }";
  uri = http://example.org/a?b=c;
  identifier-with-dash' = 1;
}
