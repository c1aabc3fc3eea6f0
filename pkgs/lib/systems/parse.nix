# GNU configuration triples ("riscv64-unknown-linux-gnu") and their parts.
{ lib, data }:

let
  # Kernel → file format of its programs, family.
  kernels = {
    linux = { execFormat = "elf"; families = [ ]; };
    windows = { execFormat = "pe"; families = [ ]; };
    darwin = { execFormat = "macho"; families = [ "darwin" ]; };
    ios = { execFormat = "macho"; families = [ "darwin" ]; };
    freebsd = { execFormat = "elf"; families = [ "bsd" ]; };
    netbsd = { execFormat = "elf"; families = [ "bsd" ]; };
    openbsd = { execFormat = "elf"; families = [ "bsd" ]; };
    redox = { execFormat = "elf"; families = [ ]; };
    wasi = { execFormat = "wasm"; families = [ ]; };
    mmixware = { execFormat = "unknown"; families = [ ]; };
    ghcjs = { execFormat = "unknown"; families = [ ]; };
    none = { execFormat = "unknown"; families = [ ]; };
  };
  # Last parts of triples that name a kernel together with an ABI.
  kernelAliases = {
    mingw32 = "windows";
    cygwin = "windows";
    macosx = "darwin";
    macos = "darwin";
    elf = "none";
    eabi = "none";
    eabihf = "none";
  };
  abis = [
    "gnu" "gnueabi" "gnueabihf" "gnux32" "gnuabi64" "gnuabin32" "gnuabielfv1" "gnuabielfv2" "gnusf" "gnuf32"
    "musl" "musleabi" "musleabihf" "muslabi64" "muslabin32" "muslx32"
    "uclibc" "uclibceabi" "uclibceabihf" "uclibcgnueabi" "uclibcgnueabihf"
    "android" "androideabi" "eabi" "eabihf" "elf" "msvc" "cygnus" "unknown"
  ];

  cpuAliases = builtins.listToAttrs (builtins.concatMap
    (name: map (alias: { name = alias; value = name; }) (data.cpu.${name}.names or [ ]))
    (builtins.attrNames data.cpu));

  cpu = triple: name:
    let
      canonical = if data.cpu ? ${name} then name else cpuAliases.${name} or null;
      known = data.cpu.${canonical};
      armVersion = builtins.match "armv([0-9]+).*" canonical;
    in
    if canonical == null then
      throw "unknown CPU '${name}' in platform '${triple}'; known are platform names (${someNames}), systems such as riscv64-linux, and triples that begin with one of: ${builtins.concatStringsSep ", " (builtins.attrNames data.cpu)}"
    else {
      _type = "cpu-type";
      name = canonical;
      inherit (known) bits family;
    }
    # Bytes have no order where words are bytes.
    // lib.optionalAttrs (known.bits != 8) {
      significantByte = { name = "${known.endian}Endian"; _type = "significant-byte"; };
    }
    // lib.optionalAttrs (armVersion != null) { version = builtins.head armVersion; }
    // lib.optionalAttrs (canonical == "aarch64" || canonical == "aarch64_be") { version = "8"; }
    // lib.optionalAttrs (known ? arch) { inherit (known) arch; };
  someNames = builtins.concatStringsSep ", " (map (p: p.name) (lib.take 12 data.platform)) + ", …";

  kernel = triple: name:
    let
      bare = builtins.head (builtins.match "([a-z]+32|[a-z]*)[0-9.]*" name ++ [ name ]);
      canonical = kernelAliases.${bare} or bare;
    in
    if kernels ? ${canonical} then {
      _type = "kernel";
      name = canonical;
      execFormat = { name = kernels.${canonical}.execFormat; _type = "exec-format"; };
      families = lib.genAttrs kernels.${canonical}.families (family: { name = family; });
    }
    else throw "unknown kernel '${name}' in platform '${triple}'; known are ${builtins.concatStringsSep ", " (builtins.attrNames kernels)}";

  isKernel = name:
    let bare = builtins.match "([a-z]+32|[a-z]+)[0-9.]*" name;
    in bare != null && (kernels ? ${builtins.head bare} || kernelAliases ? ${builtins.head bare});

  abi = triple: name:
    if builtins.elem name abis then {
      _type = "abi";
      inherit name;
    }
    // lib.optionalAttrs (lib.hasSuffix "eabihf" name) { float = "hard"; }
    // lib.optionalAttrs (lib.hasSuffix "eabi" name && name != "androideabi") { float = "soft"; }
    // lib.optionalAttrs (lib.hasPrefix "gnuabielf" name) { abi = lib.removePrefix "gnuabi" name; }
    // lib.optionalAttrs (lib.hasSuffix "abin32" name) { abi = "n32"; }
    // lib.optionalAttrs (lib.hasSuffix "abi64" name) { abi = "64"; }
    // lib.optionalAttrs (lib.hasSuffix "x32" name) { abi = "x32"; }
    else throw "unknown ABI '${name}' in platform '${triple}'; known are ${builtins.concatStringsSep ", " abis}";

  # What a triple that ends with the kernel leaves out.
  defaultAbi = cpuName: kernelName:
    if kernelName == "linux" then
      if builtins.elem cpuName [ "armv6l" "armv7l" "armv7a" ] then "gnueabihf"
      else if lib.hasPrefix "arm" cpuName then "gnueabi"
      else if lib.hasPrefix "mips64" cpuName then "gnuabi64"
      else if cpuName == "powerpc64" then "gnuabielfv2"
      else "gnu"
    else if kernelName == "windows" then "gnu"
    else "unknown";

  # Parts of a triple → cpu, vendor, kernel, abi (null: by default).
  skeleton = triple: parts:
    let
      n = builtins.length parts;
      at = builtins.elemAt parts;
      cpuName = at 0;
    in
    if n == 1 then { cpu = cpuName; vendor = "unknown"; kernel = if cpuName == "javascript" then "ghcjs" else "none"; abi = null; }
    else if n == 2 then
      if builtins.elem (at 1) [ "elf" "eabi" "eabihf" ]
      then { cpu = cpuName; vendor = "unknown"; kernel = "none"; abi = at 1; }
      else { cpu = cpuName; vendor = "unknown"; kernel = at 1; abi = null; }
    else if n == 3 then
      if isKernel (at 1) && !builtins.elem (at 1) [ "elf" "eabi" "eabihf" ]
      then { cpu = cpuName; vendor = "unknown"; kernel = at 1; abi = at 2; }
      else { cpu = cpuName; vendor = at 1; kernel = at 2; abi = null; }
    else if n == 4 then { cpu = cpuName; vendor = at 1; kernel = at 2; abi = at 3; }
    else throw "'${triple}' is not a GNU configuration triple (cpu-vendor-kernel-abi, such as riscv64-unknown-linux-gnu)";
in
rec {
  # A triple, or a system such as "riscv64-linux", taken apart.
  fromTriple = triple:
    let
      parts = skeleton triple (lib.splitString "-" triple);
      parsed = {
        _type = "system";
        cpu = cpu triple parts.cpu;
        vendor = {
          _type = "vendor";
          name =
            if parts.vendor == "none" then "unknown"
            else if parts.vendor == "unknown" && parsed.kernel.name == "darwin" then "apple" else parts.vendor;
        };
        kernel = kernel triple parts.kernel;
        abi = abi triple
          (if parts.abi == null then defaultAbi parsed.cpu.name parsed.kernel.name else parts.abi);
      };
    in
    parsed;

  toTriple = parsed:
    let
      cpuName = parsed.cpu.name;
      kernelName = if parsed.kernel.name == "windows" then "mingw32" else parsed.kernel.name;
      # The kernel's name says it.
      abiName = lib.optionalString
        (parsed.abi.name != "unknown" && !(parsed.kernel.name == "windows" && parsed.abi.name == "gnu"))
        "-${parsed.abi.name}";
    in
    "${cpuName}-${parsed.vendor.name}-${kernelName}${abiName}";

  # Nix's name of the platform: what a derivation's `system` says.
  # All of Apple's are one there.
  toSystem = parsed:
    let kernelName = if parsed.kernel.families ? darwin then "darwin" else parsed.kernel.name;
    in "${parsed.cpu.name}-${kernelName}";

  # The names under which nixpkgs has these.
  mkSystemFromString = fromTriple;
  tripleFromSystem = toTriple;
  doubleFromSystem = toSystem;
}
