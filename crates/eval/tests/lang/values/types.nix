with builtins; let
  values = [ 1 1.5 true null "s" ../data [ ] { } (x: x) map (map 1) ];
in {
  typeOf = map typeOf values;
  int = map isInt values;
  float = map isFloat values;
  bool = map isBool values;
  null = map isNull values;
  string = map isString values;
  path = map isPath values;
  list = map isList values;
  attrs = map isAttrs values;
  function = map isFunction values;
  try = [ (tryEval (throw "x")) (tryEval 1) (tryEval (assert false; 1)) (tryEval { a = throw "y"; }).success ];
  seq = [ (seq 1 2) (tryEval (seq (throw "x") 2)).success (tryEval (seq { a = throw "x"; } 2)).success (tryEval (deepSeq { a = throw "x"; } 2)).success (deepSeq [ { a = 1; } ] 3) ];
  language = [ langVersion (builtins ? nixVersion) storeDir (builtins ? builtins) ];
  curPos = __curPos.line;
  position = let p = unsafeGetAttrPos "b" { a = 1; b = 2; }; in [ p.line p.column (baseNameOf p.file) ];
  noPosition = unsafeGetAttrPos "zz" { };
  trace = addErrorContext "context" 1;
  placeholder = placeholder "out";
}
