with builtins; {
  compare = map (p: compareVersions (elemAt p 0) (elemAt p 1)) [
    [ "1.0" "2.3" ] [ "2.3" "2.3.1" ] [ "2.3pre1" "2.3" ] [ "2.3a" "2.3.1" ] [ "" "" ] [ "1" "1.0" ] [ "2.3.1" "2.3a" ]
    [ "a" "b" ] [ "1-2" "1.2" ] [ "2.3pre3" "2.3pre12" ]
  ];
  split = map splitVersion [ "1.2.3" "5.1rc2-git" "" "..a1" "2023-01-02" ];
  names = map parseDrvName [ "nix-0.12pre12876" "a-b-c-1234pre5+git" "hello" "-1" "a-" ];
}
