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
      isLittleEndian = cpu.significantByte.name == "littleEndian";
      isBigEndian = cpu.significantByte.name == "bigEndian";
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
      isMips64n32 = isMips64 && abi.name == "gnuabin32";
      isMips64n64 = isMips64 && abi.name == "gnuabi64";
      isPower = family "power";
      isPower64 = isPower && is64bit;
      isAbiElfv2 = isPower64 && (isLittleEndian || abi.abi or null == "elfv2");
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
      isMinGW = isWindows && abi.name != "cygnus";
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
      isUnix = isLinux || isDarwin || isBSD || isRedox || isCygwin;
      isElf = kernel.execFormat.name == "elf" || isNone && platform.elfMachine != null;

      # C library and ABI
      isGnu = isLinux && (abiIs "gnu");
      isMusl = isLinux && platform.libc == "musl";
      isUClibc = isLinux && platform.libc == "uclibc";
      isAndroid = abiIs "android";
      isEabi = lib.hasInfix "eabi" abi.name;
      isILP32 = platform.elfClass == 32 && is64bit;
    };
}
