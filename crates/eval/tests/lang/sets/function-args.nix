with builtins; [ (functionArgs ({ a, b ? 1 }: 1)) (functionArgs (x: x)) (functionArgs ({ ... }@x: x)) (functionArgs map) (functionArgs (add 1)) ]
