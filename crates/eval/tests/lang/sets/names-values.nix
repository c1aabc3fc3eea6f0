with builtins; let s = { b = 1; a = 2; "C" = 3; _d = 4; }; in [ (attrNames s) (attrValues s) (attrNames { }) ]
