# print: parse
[ "a\n\${b}" ''
    x
    ${"y"} z
  '' (a: "${a}b") <nixpkgs/lib> http://a.b ]
