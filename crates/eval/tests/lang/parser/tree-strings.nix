# print: parse
[ "a\n\${b}" ''
    x
    ${"y"} z
  '' "${a}b" <nixpkgs/lib> http://a.b ]
