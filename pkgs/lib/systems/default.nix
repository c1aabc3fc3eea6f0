# Platforms: from a name, a system, a GNU configuration triple or a set of
# attributes to everything that packages ask about a platform.
#
# The facts are in ../../platforms.toml; here is only what follows from them.
{ lib }:

let
  data = builtins.fromTOML (builtins.readFile ../../platforms.toml);
  parse = import ./parse.nix { inherit lib data; };
  inherit (import ./predicates.nix { inherit lib; }) predicates;
  inherit (import ./facts.nix { inherit lib data; }) factsOf;

  records = data.platform;
  indexBy = keys:
    # listToAttrs keeps the first of equal names, and the first record of a
    # system or triple is what that system or triple alone stands for.
    builtins.listToAttrs (builtins.concatMap
      (record: map (name: { inherit name; value = record; }) (keys record))
      records);
  byName = indexBy (record: [ record.name ]) // aliases;
  aliases = builtins.removeAttrs (indexBy (record: record.aliases or [ ])) (map (r: r.name) records);
  byConfig = indexBy (record: [ record.config ]);
  bySystem = indexBy (record: [ "${record.cpu}-${record.kernel}" ]);
  byLibc = indexBy (record: lib.optional (record ? libc) "${record.cpu}-${record.kernel}-${record.libc}");

  # The record that a set of attributes means, or { }.
  recordOf = args:
    if args ? platformName then byName.${args.platformName} or { }
    # Shorter triples mean the same: mips-unknown-linux.
    else if args ? config then
      let
        parsed = parse.fromTriple args.config;
        record = byConfig.${args.config} or byConfig.${parse.toTriple parsed} or { };
      in
      # The early form says the C library by itself.
      if args ? libc && args.libc != record.libc or null
      then byLibc."${parsed.cpu.name}-${parsed.kernel.name}-${args.libc}" or record
      else record
    else if args ? system then bySystem.${args.system} or { }
    else { };

  # A platform as a set of attributes, whichever way it was written.
  toArguments = platform:
    if !builtins.isString platform then platform
    else if bySystem ? ${platform} then { system = platform; }
    else if byName ? ${platform} then examples.${platform} or (exampleOf byName.${platform})
    else if byConfig ? ${platform} then { config = platform; }
    else { config = parse.toTriple (parse.fromTriple platform); };

  exampleOf = record: {
    platformName = record.name;
    inherit (record) config;
  } // builtins.intersectAttrs { gcc = null; libc = null; } record;
  examples = builtins.listToAttrs
    (map (record: { inherit (record) name; value = exampleOf record; }) records);

  defaultLibc = parsed:
    let
      abi = parsed.abi.name;
      kernel = parsed.kernel.name;
    in
    if kernel == "linux" then
      if lib.hasPrefix "musl" abi then "musl"
      else if lib.hasPrefix "uclibc" abi then "uclibc"
      else if lib.hasPrefix "android" abi then "bionic"
      else "glibc"
    else {
      windows = "msvcrt";
      darwin = "libSystem";
      ios = "libSystem";
      freebsd = "fblibc";
      netbsd = "nblibc";
      openbsd = "oblibc";
      wasi = "wasilibc";
      redox = "relibc";
      ghcjs = null;
      none = if parsed.cpu.name == "avr" then "avrlibc" else "newlib";
    }.${kernel} or null;

  # What a kernel calls shared libraries, programs and so on.
  extensionsOf = final: {
    staticLibrary = if final.isWindows then ".lib" else ".a";
    library = if final.hasSharedLibraries then final.extensions.sharedLibrary else final.extensions.staticLibrary;
    executable = if final.isWindows then ".exe" else "";
  }
  // lib.optionalAttrs final.hasSharedLibraries {
    sharedLibrary =
      if final.isDarwin then ".dylib" else if final.isWindows then ".dll" else ".so";
  };

  # Native execution, without an emulator.
  canExecute = self: other:
    self.parsed.kernel.name == other.parsed.kernel.name
    && (self.parsed.cpu.name == other.parsed.cpu.name
      || builtins.elem other.parsed.cpu.name (data.cpu.${self.parsed.cpu.name}.executes or [ ]));

  # Attributes of a platform as somebody wrote them, unless they contradict each other.
  checked = args:
    let
      parsed = parse.fromTriple args.config;
      wanted = parse.fromTriple args.system;
      what = p: "${p.cpu.name}-${p.kernel.name}";
      order = if args.bigEndian then "bigEndian" else "littleEndian";
      mistyped = builtins.filter (name: args ? ${name} && !builtins.isString args.${name}) [ "config" "system" "libc" ];
    in
    if !builtins.isAttrs args
    then throw "a platform is a name, a system, a GNU configuration triple or a set of attributes; this one is of type '${builtins.typeOf args}'"
    else if mistyped != [ ]
    then throw "the platform's '${builtins.head mistyped}' must be a string, and is of type '${builtins.typeOf args.${builtins.head mistyped}}'"
    else if args ? config && args ? system && (parsed.cpu.family != wanted.cpu.family || parsed.kernel.name != wanted.kernel.name)
    then throw "the platform contradicts itself: its config '${args.config}' is ${what parsed}, its system '${args.system}' is ${what wanted}; give one of the two"
    else if args ? bigEndian && args ? config && parsed.cpu.significantByte.name != order
    then throw "the platform contradicts itself: ${parsed.cpu.name} in '${args.config}' is ${parsed.cpu.significantByte.name}, and it has bigEndian = ${lib.boolToString args.bigEndian}"
    else args;

  elaborateArguments = args:
    let
      record = recordOf args;
      cpuData = data.cpu.${final.parsed.cpu.name} or { };
      cpu = final.parsed.cpu.name;
      final = {
        parsed =
          if args ? config then parse.fromTriple args.config
          else if record ? config then parse.fromTriple record.config
          else if args ? system then parse.fromTriple args.system
          else throw "a platform needs at least 'config' (a GNU configuration triple) or 'system'";
        config = record.config or (parse.toTriple final.parsed);
        system = parse.toSystem final.parsed;
        platformName = record.name or null;
        description = record.description or final.config;

        libc = record.libc or (defaultLibc final.parsed);
        abi = record.abi or null;
        gcc =
          # The early form says this of the platform, not of its compiler.
          lib.optionalAttrs (args ? float && (final.isMips || final.isAarch32)) { inherit (args) float; }
          // args.gcc or record.gcc or { };
        linker = if final.useLLVM then "lld" else if final.isDarwin then "cctools" else "bfd";
        useLLVM = false;
        isStatic = final.isWasm || final.isRedox;
        # Whether there is a loader of shared libraries.
        hasSharedLibraries = !final.isStatic
          && (final.isGnu || final.isMusl || final.isAndroid || final.isDarwin || final.isBSD || final.isSunOS
            || final.isMinGW || final.isCygwin);
        extensions = extensionsOf final;
        executableFormat = final.parsed.kernel.execFormat.name;
        dynamicLinker = record.dynamicLinker or null;

        # QEMU's user-mode emulator; null where there is none.
        emulatorName = record.qemu or null;
        elfMachine = cpuData.machine or null;
        # Smaller machines have 32-bit files as well.
        elfClass = record.elfClass or (lib.max 32 final.parsed.cpu.bits);
        debian = {
          arch = record.debianArch or null;
          triple = record.debianTriple or null;
        };
        # The toolchain of the bootstrap seed: what kind, and Debian's names for it.
        prebuilt =
          if args ? prebuilt then args.prebuilt
          else if record ? prebuilt && final.libc == record.libc then { arch = null; } // record.prebuilt
          else if record ? debianTriple && final.libc == "glibc"
          then { kind = "glibc"; triple = record.debianTriple; arch = record.debianArch or null; }
          else null;
        canExecute = canExecute final;
        isCompatible = canExecute final;
        # The command prefix that runs the platform's programs, given the
        # package set of the machine that runs them (`pkgs.buildPackages`).
        emulatorAvailable = pkgs:
          pkgs.stdenv.hostPlatform.canExecute final || final.emulatorName != null && final.isLinux;
        emulator = pkgs:
          if pkgs.stdenv.hostPlatform.canExecute final then ""
          else if final.emulatorName != null && final.isLinux
          then "${pkgs.emulators.${final.emulatorName}}/bin/qemu-${final.emulatorName}-static"
          else throw "there is no emulator for ${final.config} on ${pkgs.stdenv.hostPlatform.config}";
      }
      // factsOf final (record.facts or { } // args)
      // predicates final
      // record.facts or { }
      # Facts that the caller knows better win, `config` and `system` included.
      // builtins.removeAttrs args [ "platformName" "parsed" "gcc" ];
    in final;
in
{
  inherit parse examples;
  inherit (data) cpu emulator;

  # A complete platform from anything that describes one. An elaborated platform
  # is returned as it is: functions in it compare equal only to themselves.
  elaborate = platform:
    if builtins.isAttrs platform && platform ? parsed && platform ? canExecute
    then platform
    else elaborateArguments (checked (toArguments platform));

  # Whether two elaborated platforms are the same, functions aside.
  equals = a: b:
    let
      facts = platform: builtins.mapAttrs
        (name: value: if builtins.isFunction value then null else value)
        platform;
    in facts a == facts b;

  # Names of systems, for meta.platforms.
  doubles =
    let
      elaborated = map (name: elaborateArguments examples.${name}) (builtins.attrNames examples);
      systemsOf = wanted: lib.unique (map (p: p.system) (builtins.filter wanted elaborated));
    in
    {
      all = systemsOf (_: true);
      linux = systemsOf (p: p.isLinux);
      unix = systemsOf (p: p.isUnix);
      gnu = systemsOf (p: p.isGnu);
      windows = systemsOf (p: p.isWindows);
      darwin = systemsOf (p: p.isDarwin);
      none = [ ];
    };
}
