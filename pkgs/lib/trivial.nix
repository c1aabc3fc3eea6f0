# Functions about nothing in particular.
{ lib }:

let
  inherit (builtins) isAttrs isFunction;
in
rec {
  inherit (builtins)
    isBool isInt isFloat isList isAttrs isString isPath
    add sub lessThan bitAnd bitOr bitXor
    seq deepSeq genericClosure pathExists readFile;

  # The release of nixpkgs whose interface this set follows.
  release = "23.05";
  version = release;

  id = value: value;
  const = value: _: value;
  flip = f: a: b: f b a;
  # pipe 1 [ f g ] = g (f 1)
  pipe = builtins.foldl' (value: f: f value);
  concat = a: b: a ++ b;
  or = a: b: a || b;
  and = a: b: a && b;
  mergeAttrs = a: b: a // b;
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  # -1, 0 or 1
  compare = a: b: if a < b then -1 else if b < a then 1 else 0;
  boolToString = b: if b then "true" else "false";
  mapNullable = f: value: if value == null then null else f value;
  defaultTo = default: value: if value == null then default else value;

  importJSON = file: builtins.fromJSON (builtins.readFile file);
  importTOML = file: builtins.fromTOML (builtins.readFile file);

  warn = message: builtins.trace "warning: ${message}";
  warnIf = condition: message: if condition then warn message else id;
  info = message: builtins.trace "info: ${message}";
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: message: if condition then id else throw message;
  assertMsg = condition: message: condition || throw message;
  assertOneOf = name: value: allowed:
    assertMsg (builtins.elem value allowed)
      "${name} must be one of ${builtins.toJSON allowed}, but is ${builtins.toJSON value}";

  # A function, or a set that can be called like one (`__functor`).
  isFunction = f: builtins.isFunction f || f ? __functor && isFunction (f.__functor f);
  # The named arguments of a function: name → has a default.
  functionArgs = f:
    if f ? __functor
    then f.__functionArgs or (functionArgs (f.__functor f))
    else builtins.functionArgs f;
  setFunctionArgs = f: args: {
    __functor = self: f;
    __functionArgs = args;
  };
  toFunction = value: if isFunction value then value else _: value;
}
