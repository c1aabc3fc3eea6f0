map builtins.parseDrvName [ "hello-1.2.3" "a-b-c" "x-1a" "x-y1-2" "-1" "1-2" "name-" "lib-a-0.1-git-2020" ]
