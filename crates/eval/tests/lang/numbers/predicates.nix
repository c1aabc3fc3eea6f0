with builtins; [ (isInt 1) (isInt 1.0) (isFloat 1.0) (isString "") (isPath /a) (isList [ ]) (isAttrs { }) (isFunction map) (isBool true) (isNull null) ]
