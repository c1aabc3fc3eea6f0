let s = { a.b = 1; }; k = "a"; in [ s.${k}.b s."a"."b" s.${"a"}."${"b"}" ]
