# Functions that call packages and let their callers change them.
{ lib }:

rec {
  # The result of `f args` with `.override newArgs` (a set, or a function of the
  # old arguments) that calls f again.
  makeOverridable = f: args:
    let
      result = f args;
      override = new: makeOverridable f (args // (if lib.isFunction new then new args else new));
      # A change to the result that stays when it is overridden again.
      overrideResult = change: makeOverridable (a: change (f a)) args;
    in
    if builtins.isAttrs result then
      result // {
        inherit override;
        overrideDerivation = change: overrideResult (package: overrideDerivation package change);
        ${if result ? overrideAttrs then "overrideAttrs" else null} =
          change: overrideResult (package: package.overrideAttrs change);
      }
    else if lib.isFunction result then
      { inherit override; __functor = _: result; __functionArgs = lib.functionArgs result; }
    else result;

  # The derivation with some of its attributes changed just before it is made.
  overrideDerivation = package: change:
    let attributes = package.drvAttrs // change package;
    in extendDerivation true { inherit (package) meta passthru; } (derivation attributes);

  # callPackageWith scope file extra: calls a function (or the file that holds
  # it) with the arguments that it names, from `scope`, then `extra`.
  callPackageWith = scope: file: extra:
    let
      f = if lib.isFunction file then file else import file;
      wanted = lib.functionArgs f;
      found = builtins.intersectAttrs wanted scope // extra;
      missing = builtins.filter (name: !(wanted.${name} || found ? ${name}))
        (builtins.attrNames wanted);
      where = if lib.isFunction file then "a function given to callPackage" else toString file;
    in
    if missing == [ ] then makeOverridable f found
    else throw "${where} asks for '${builtins.head missing}', and the package set has no attribute of that name";

  callPackagesWith = scope: file: extra:
    let
      f = if lib.isFunction file then file else import file;
      args = builtins.intersectAttrs (lib.functionArgs f) scope // extra;
    in
    builtins.mapAttrs
      (name: value:
        if builtins.isAttrs value then makeOverridable (a: (f a).${name}) args else value)
      (f args);

  # A set of packages that call each other, which falls back to `newScope`'s.
  makeScope = newScope: f:
    let
      self = f self // {
        newScope = extra: newScope (self // extra);
        callPackage = self.newScope { };
        overrideScope = overlay: makeScope newScope (lib.extends overlay f);
        packages = f;
      };
    in self;

  # A derivation, and each of its outputs, with more attributes (`passthru`) and
  # with a condition that is checked before the store path is known.
  extendDerivation = condition: passthru: package:
    let
      outputs = package.outputs or [ "out" ];
      common = package // outputSets // { all = map (name: outputSets.${name}) outputs; } // passthru;
      outputSets = builtins.listToAttrs (map (name: {
        inherit name;
        value = common // {
          inherit (package.${name}) type outputName;
          outPath = assert condition; package.${name}.outPath;
          drvPath = assert condition; package.${name}.drvPath;
          outputSpecified = true;
          ${if passthru ? overrideAttrs then "overrideAttrs" else null} =
            change: (passthru.overrideAttrs change).${name};
        };
      }) outputs);
    in
    common // {
      drvPath = assert condition; package.drvPath;
      outPath = assert condition; package.outPath;
    };
}
