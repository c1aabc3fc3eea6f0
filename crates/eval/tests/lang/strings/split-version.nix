map builtins.splitVersion [ "" "1" "1.2.3" "1.2pre3" "a-b_c" "1..2" "20.09alpha" "v1.0-rc1+git.5" ]
