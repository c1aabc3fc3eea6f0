# Platforms: from a name, a system, a GNU configuration triple or a set of
# attributes to everything that packages ask about a platform.
#
# The facts are in ../../platforms.toml; here is only what follows from them.
{ lib }:

let
  data = builtins.fromTOML (builtins.readFile ../../platforms.toml);
  parse = import ./parse.nix { inherit lib data; };
  inherit (import ./predicates.nix { inherit lib; }) predicates;

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

  # The record that a set of attributes means, or { }.
  recordOf = args:
    if args ? platformName then byName.${args.platformName} or { }
    else if args ? config then byConfig.${args.config} or { }
    else if args ? system then bySystem.${args.system} or { }
    else { };

  # A platform as a set of attributes, whichever way it was written.
  toArguments = platform:
    if !builtins.isString platform then platform
    else if bySystem ? ${platform} then { system = platform; }
    else if byName ? ${platform} then examples.${platform} or (exampleOf byName.${platform})
    else if byConfig ? ${platform} then { config = platform; }
    else { config = (parse.fromTriple platform).config; };

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
      none = if parsed.cpu.name == "avr" then "avrlibc" else "newlib";
    }.${kernel} or null;

  # What a kernel calls shared libraries, programs and so on.
  extensionsOf = final: {
    sharedLibrary =
      if final.isDarwin then ".dylib" else if final.isWindows then ".dll" else ".so";
    staticLibrary = ".a";
    library = if final.isStatic then ".a" else final.extensions.sharedLibrary;
    executable =
      if final.isWindows then ".exe" else if final.isWasm then ".wasm" else "";
  };

  unameSystem = {
    linux = "Linux";
    windows = "Windows";
    darwin = "Darwin";
    ios = "Darwin";
    freebsd = "FreeBSD";
    netbsd = "NetBSD";
    openbsd = "OpenBSD";
    wasi = "Wasi";
    redox = "Redox";
    none = "Generic";
  };

  # U-Boot's and Rust's names, where they are not Linux's or the CPU's own.
  ubootArches = {
    i686 = "x86"; x86_64 = "x86_64"; aarch64 = "arm64";
    powerpc = "ppc"; powerpc64 = "ppc"; powerpc64le = "ppc";
    mips64 = "mips64"; mips64el = "mips64";
  };
  rustCpus = {
    armv7l = "armv7"; armv7a = "armv7"; armv6l = "arm"; armv5tel = "armv5te";
    riscv64 = "riscv64gc"; riscv32 = "riscv32gc";
  };
  goArches = {
    x86_64 = "amd64"; i686 = "386"; aarch64 = "arm64"; powerpc64le = "ppc64le"; powerpc64 = "ppc64";
    mipsel = "mipsle"; mips64el = "mips64le"; loongarch64 = "loong64"; wasm32 = "wasm";
    armv7l = "arm"; armv7a = "arm"; armv6l = "arm"; armv5tel = "arm";
  };

  # Native execution, without an emulator.
  canExecute = self: other:
    self.parsed.kernel.name == other.parsed.kernel.name
    && (self.parsed.cpu.name == other.parsed.cpu.name
      || builtins.elem other.parsed.cpu.name (data.cpu.${self.parsed.cpu.name}.executes or [ ]));

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
        config = record.config or final.parsed.config;
        system = parse.toSystem final.parsed;
        platformName = record.name or null;
        description = record.description or final.config;

        libc = record.libc or (defaultLibc final.parsed);
        abi = record.abi or null;
        gcc = record.gcc or { };
        linker = if final.isDarwin then "cctools" else if final.isWasm then "lld" else "bfd";
        useLLVM = false;
        isStatic = final.isWasm || final.isRedox;
        hasSharedLibraries = !final.isStatic && !final.isNone && final.libc != null;
        extensions = extensionsOf final;
        executableFormat = final.parsed.kernel.execFormat.name;
        dynamicLinker = record.dynamicLinker or null;

        qemuArch = record.qemu or null;
        elfMachine = cpuData.machine or null;
        elfClass = record.elfClass or final.parsed.cpu.bits;
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
        linuxArch = cpuData.kernelArch or null;
        ubootArch = ubootArches.${cpu} or final.linuxArch;
        uname = {
          system = unameSystem.${final.parsed.kernel.name} or null;
          processor = cpu;
          release = null;
        };
        rust = {
          rustcTarget = "${rustCpus.${cpu} or cpu}-${final.parsed.vendor.name}-${final.parsed.kernel.name}"
            + lib.optionalString (final.parsed.abi.name != "unknown") "-${rustAbi}";
        };
        go = {
          GOOS = if final.isDarwin then "darwin" else final.parsed.kernel.name;
          GOARCH = goArches.${cpu} or cpu;
          GOARM = if final.isAarch32 then lib.min 7 (lib.toInt (final.parsed.cpu.version or "7")) else null;
        };

        canExecute = canExecute final;
        isCompatible = canExecute final;
        # The command prefix that runs the platform's programs, given the
        # package set of the machine that runs them (`pkgs.buildPackages`).
        emulatorAvailable = pkgs:
          pkgs.stdenv.hostPlatform.canExecute final || final.qemuArch != null && final.isLinux;
        emulator = pkgs:
          if pkgs.stdenv.hostPlatform.canExecute final then ""
          else if final.qemuArch != null && final.isLinux
          then "${pkgs.emulators.${final.qemuArch}}/bin/qemu-${final.qemuArch}-static"
          else throw "there is no emulator for ${final.config} on ${pkgs.stdenv.hostPlatform.config}";
      }
      // predicates final
      # Facts that the caller knows better win, `config` and `system` included.
      // builtins.removeAttrs args [ "platformName" "parsed" ];
      rustAbi =
        if final.isAarch32 && final.libc == "musl"
        then "musl${lib.removePrefix "musl" final.parsed.abi.name}"
        else lib.removeSuffix "elfv2" (lib.removeSuffix "elfv1" final.parsed.abi.name);
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
    else elaborateArguments (toArguments platform);

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
