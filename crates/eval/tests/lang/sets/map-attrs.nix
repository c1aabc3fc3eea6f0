with builtins; [ (mapAttrs (n: v: "${n}${toString v}") { a = 1; b = 2; }) (attrNames (mapAttrs (n: v: throw "lazy") { a = 1; })) (mapAttrs (n: v: v) { }) ]
