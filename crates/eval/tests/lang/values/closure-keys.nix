with builtins; let
  keys = keys: map (x: x.key) (genericClosure { startSet = map (key: { inherit key; }) keys; operator = x: [ ]; });
in [
  (keys [ 1 1.0 2.5 2.5 2 ]) (keys [ "b" "a" "b" ]) (keys [ [ 1 ] [ 1 2 ] [ 1 ] ]) (keys [ /b /a /b ])
  (genericClosure { startSet = [ ]; })
]
