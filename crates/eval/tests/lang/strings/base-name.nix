with builtins; map baseNameOf [ "" "a" "a/b" "a/b/" "/" "//" "a//" /x/y "./" ]
