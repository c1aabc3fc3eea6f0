with builtins; [ ([ 1 ] ++ [ ] ++ [ 2 ]) (concatLists [ [ 1 ] [ ] [ 2 3 ] ]) (concatLists [ ]) (concatMap (x: [ x x ]) [ 1 2 ]) (concatMap (x: [ ]) [ 1 ]) ]
