# Modules: sets of options and of values for them that are put together, as in
# NixOS. A module is a set `{ imports, options, config }`, or the values alone, or a
# function of `{ config, options, lib, pkgs, … }` that gives one, or a file with one.
#
# Each option has a type, which checks the values that modules give and merges
# them. An option that no module declares is an error that names it.
{ lib }:

let
  inherit (builtins) attrNames concatStringsSep filter head isAttrs isString length mapAttrs;

  hasType = type: value: isAttrs value && value._type or null == type;
  isOption = hasType "option";
  showOption = concatStringsSep ".";
  defaultPriority = 100;

  # Values that hold on a condition, or win over others, spread over what is in them.
  spread = value:
    if hasType "merge" value then lib.concatMap spread value.contents
    else if hasType "if" value then map (mapAttrs (_: mkIf value.condition)) (spread value.content)
    else if hasType "override" value then map (mapAttrs (_: mkOverride value.priority)) (spread value.content)
    else [ value ];

  # The values of one option that hold, with their priorities.
  settle = priority: file: value:
    if hasType "merge" value then lib.concatMap (settle priority file) value.contents
    else if hasType "if" value then lib.optionals value.condition (settle priority file value.content)
    else if hasType "override" value then settle value.priority file value.content
    else [{ inherit priority file value; }];

  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };

  # One module as { file, imports, options, config }.
  normalise = arguments: file: module:
    if builtins.isPath module || isString module then normalise arguments (toString module) (import module)
    else if lib.isFunction module then
      normalise arguments file
        (module (arguments // mapAttrs
          (name: _: arguments.${name} or arguments.config._module.args.${name} or (throw
            "the module ${file} wants an argument '${name}', which is neither in specialArgs nor in _module.args"))
          (lib.functionArgs module)))
    else if module ? config || module ? options then {
      file = module._file or file;
      imports = module.imports or [ ];
      options = module.options or { };
      config = module.config or { };
    }
    else {
      file = module._file or file;
      imports = module.imports or [ ];
      options = { };
      config = builtins.removeAttrs module [ "imports" "_file" "key" ];
    };

  collect = arguments: file: modules:
    lib.concatMap
      (module:
        let this = normalise arguments file module;
        in [ this ] ++ collect arguments this.file this.imports)
      modules;

  mergeOptions = lib.recursiveUpdateUntil (_: a: b: isOption a || isOption b);

  # A tree of values for a tree of options.
  valuesFor = place: options: definitions:
    mapAttrs
      (name: option:
        let
          here = place ++ [ name ];
          given = lib.concatMap
            (d: lib.optional (d.value ? ${name}) { inherit (d) file; value = d.value.${name}; })
            definitions;
        in
        if isOption option then valueOf here option given
        else valuesFor here option (spreadAll given))
      options;
  spreadAll = lib.concatMap (d: map (value: { inherit (d) file; inherit value; }) (spread d.value));

  valueOf = place: option: given:
    let
      settled = lib.concatMap (d: settle defaultPriority d.file d.value) given
        ++ lib.optional (option ? default) { priority = 1500; file = "its default"; value = option.default; };
      first = lib.foldl' (lowest: d: lib.min lowest d.priority) 9999 settled;
      winning = filter (d: d.priority == first) settled;
      type = option.type or types.anything;
      wrong = filter (d: !type.check d.value) winning;
      value =
        if settled == [ ] then throw "the option '${showOption place}' has no value and no default"
        else if wrong != [ ] then throw
          "the option '${showOption place}' has to be ${type.name}, which the value in ${(head wrong).file} is not"
        else type.merge place winning;
    in
    (option.apply or lib.id) value;

  # Names that are given but not declared, with where.
  unknown = place: options: definitions:
    lib.concatMap
      (d: lib.concatMap
        (name:
          let here = place ++ [ name ];
          in
          if !(options ? ${name}) then [{ option = showOption here; inherit (d) file; known = attrNames options; }]
          else if isOption options.${name} then [ ]
          else unknown here options.${name} (spreadAll [{ inherit (d) file; value = d.value.${name}; }]))
        (attrNames d.value))
      definitions;

  onlyOne = place: definitions:
    let values = lib.unique (map (d: d.value) definitions);
    in
    if length values == 1 then head values
    else throw "the option '${showOption place}' has different values in ${concatStringsSep " and " (map (d: d.file) definitions)}: use lib.mkForce for the one that is meant";

  type = name: check: merge: { inherit name check merge; };
  each = kind: place: d: kind.merge place [ d ];
  checked = kind: place: file: value:
    if kind.check value then each kind place { inherit file value; priority = defaultPriority; }
    else throw "the option '${showOption place}' has to be ${kind.name}, which a value in ${file} is not";

  types = {
    str = type "a string" (v: isString v || builtins.isPath v || v ? outPath || v ? __toString) onlyOne;
    bool = type "true or false" builtins.isBool onlyOne;
    int = type "a whole number" builtins.isInt onlyOne;
    port = type "a port, 0 to 65535" (v: builtins.isInt v && v >= 0 && v <= 65535) onlyOne;
    package = type "a package" (v: lib.isDerivation v || (isString v && lib.hasPrefix builtins.storeDir v))
      (_: definitions: (lib.last definitions).value);
    path = type "a path" (v: builtins.isPath v || lib.isDerivation v || (isString v && lib.hasPrefix "/" v)) onlyOne;
    lines = type "text" isString (_: definitions: lib.concatMapStringsSep "\n" (d: d.value) definitions);
    enum = values: type "one of ${concatStringsSep ", " (map builtins.toJSON values)}" (v: builtins.elem v values) onlyOne;
    raw = type "anything" (_: true) (_: definitions: (lib.last definitions).value);
    anything = type "anything" (_: true) mergeAnything;
    nullOr = of: type "null or ${of.name}" (v: v == null || of.check v)
      (place: definitions: if lib.all (d: d.value == null) definitions then null else of.merge place definitions);
    listOf = of: type "a list, each of it ${of.name}" builtins.isList
      (place: definitions: lib.concatMap (d: map (checked of place d.file) d.value) definitions);
    attrsOf = of: type "a set, each of it ${of.name}" isAttrs
      (place: definitions:
        let given = lib.concatMap (d: lib.mapAttrsToList (name: value: { inherit name; inherit (d) file; inherit value; }) d.value) (spreadAll definitions);
        in mapAttrs
          (name: values: valueOf (place ++ [ name ]) { type = of; } values)
          (builtins.groupBy (d: d.name) given));
    submodule = module: type "a set of options" (v: isAttrs v || lib.isFunction v)
      (place: definitions: builtins.removeAttrs
        (evalModules {
          inherit place;
          modules = [ module ] ++ map (d: { _file = d.file; config = d.value; }) definitions;
          specialArgs.name = if place == [ ] then "" else lib.last place;
        }).config [ "_module" ]);
  };

  mergeAnything = place: definitions:
    let values = map (d: d.value) definitions;
    in
    if length values == 1 then head values
    else if lib.all (v: isAttrs v && !lib.isDerivation v) values
    then lib.foldl' lib.recursiveUpdate { } values
    else if lib.all builtins.isList values then lib.concatLists values
    else onlyOne place definitions;

  # { config, options } of modules.
  evalModules = { modules, specialArgs ? { }, place ? [ ] }:
    let
      arguments = specialArgs // { inherit lib config options; };
      all = collect arguments "a module" modules;
      options = lib.foldl' (sum: module: mergeOptions sum module.options) { } all
        // { _module.args = mkOption { type = types.attrsOf types.raw; default = { }; }; };
      definitions = spreadAll (map (module: { inherit (module) file; value = module.config; }) all);
      config = valuesFor place options definitions;
      strangers = unknown place options definitions;
      stranger = head strangers;
    in
    {
      inherit options;
      config =
        if strangers == [ ] then config
        else throw "the option '${stranger.option}', which ${stranger.file} sets, does not exist; there are: ${concatStringsSep ", " (filter (name: name != "_module") stranger.known)}";
    };

  mkOption = attributes: attributes // { _type = "option"; };
in
{
  inherit evalModules mkIf mkOverride mkOption types isOption;
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  # A switch that is off.
  mkEnableOption = what: mkOption { type = types.bool; default = false; description = "Whether to have ${what}."; };
}
