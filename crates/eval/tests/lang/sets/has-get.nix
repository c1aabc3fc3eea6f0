with builtins; [ (hasAttr "a" { a = throw "x"; }) (hasAttr "b" { }) (getAttr "a" { a = 1; }) ({ a = null; } ? a) ]
