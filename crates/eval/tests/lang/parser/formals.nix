let f = { a, b ? a, ... }@args: [ a b (builtins.attrNames args) ]; g = args@{ a ? 1, }: [ a args ]; in [ (f { a = 1; c = 2; }) (g { }) (({ ... }: 1) { x = 1; }) (({ }: 2) { }) ]
