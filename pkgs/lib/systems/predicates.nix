# The questions (isAarch64, isLittleEndian, …) that packages ask a platform.
{ lib }:

{
  predicates = platform:
    let
      inherit (platform.parsed) cpu kernel abi;
      family = name: cpu.family == name;
      oneOf = builtins.elem;
      abiIs = prefix: lib.hasPrefix prefix abi.name;
    in
    rec {
      # CPU
      is64bit = cpu.bits == 64;
      is32bit = cpu.bits == 32;
      is16bit = cpu.bits == 16;
      is8bit = cpu.bits == 8;
      isLittleEndian = cpu.significantByte.name or null == "littleEndian";
      isBigEndian = cpu.significantByte.name or null == "bigEndian";
      isx86 = family "x86";
      isx86_64 = isx86 && is64bit;
      isx86_32 = isx86 && is32bit;
      isi686 = cpu.name == "i686";
      isAarch = family "arm";
      isAarch64 = isAarch && is64bit;
      isAarch32 = isAarch && is32bit;
      isArmv7 = lib.hasPrefix "armv7" cpu.name;
      isRiscV = family "riscv";
      isRiscV64 = isRiscV && is64bit;
      isRiscV32 = isRiscV && is32bit;
      isMips = family "mips";
      isMips32 = isMips && is32bit;
      isMips64 = isMips && is64bit;
      isMips64n32 = isMips64 && abi.abi or null == "n32";
      isMips64n64 = isMips64 && abi.abi or null == "64";
      isPower = family "power";
      isPowerPC = isPower && is32bit && isBigEndian;
      isPower64 = isPower && is64bit;
      # Said by the ABI's name; little-endian systems have no other and don't say it.
      isAbiElfv2 = abi.abi or null == "elfv2" || isPower64 && abi.name == "musl";
      isS390 = family "s390";
      isS390x = isS390 && is64bit;
      isSparc = family "sparc";
      isSparc64 = isSparc && is64bit;
      isLoongArch64 = family "loongarch";
      isM68k = family "m68k";
      isAlpha = family "alpha";
      isSh4 = family "sh";
      isArc = family "arc";
      isMicroBlaze = family "microblaze";
      isOr1k = family "or1k";
      isAvr = family "avr";
      isMsp430 = family "msp430";
      isVc4 = family "vc4";
      isRx = family "rx";
      isMmix = family "mmix";
      isWasm = family "wasm";
      isJavaScript = family "javascript";

      # Kernel
      isLinux = kernel.name == "linux";
      isWindows = kernel.name == "windows";
      isMinGW = isWindows && abi.name == "gnu";
      isCygwin = isWindows && abi.name == "cygnus";
      isDarwin = kernel.families ? darwin;
      isMacOS = kernel.name == "darwin";
      isiOS = kernel.name == "ios";
      isBSD = kernel.families ? bsd;
      isFreeBSD = kernel.name == "freebsd";
      isNetBSD = kernel.name == "netbsd";
      isOpenBSD = kernel.name == "openbsd";
      isRedox = kernel.name == "redox";
      isWasi = kernel.name == "wasi";
      isMmixware = kernel.name == "mmixware";
      isGhcjs = kernel.name == "ghcjs";
      isNone = kernel.name == "none";
      isSunOS = kernel.name == "solaris";
      isGenode = kernel.name == "genode";
      isUnix = isLinux || isDarwin || isBSD || isSunOS || isRedox || isCygwin;
      isElf = kernel.execFormat.name == "elf";
      isMacho = kernel.execFormat.name == "macho";
      # Has boot loaders of the UEFI kind.
      isEfi = isx86 || isRiscV || isAarch && builtins.elem (cpu.version or "") [ "6" "7" "8" ];

      # C library and ABI
      isGnu = abiIs "gnu";
      isMusl = isLinux && platform.libc == "musl";
      isUClibc = isLinux && platform.libc == "uclibc";
      isAndroid = abiIs "android";
      isEabi = lib.hasInfix "eabi" abi.name;
      isILP32 = isWasm && is32bit || builtins.elem (abi.abi or null) [ "n32" "ilp32" "x32" ];
    };
}
