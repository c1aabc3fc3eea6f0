# Positions of attributes as the sets keep them.
let s = {
    a = 1;
  b.c = 2;
}; p = n: t: let x = builtins.unsafeGetAttrPos n t; in if x == null then null else [ x.line x.column (baseNameOf x.file) ]; in [ (p "a" s) (p "b" s) (p "c" s.b) (p "z" s) (p "a" (s // { })) (p "x" (builtins.listToAttrs [ { name = "x"; value = 1; } ])) ]
