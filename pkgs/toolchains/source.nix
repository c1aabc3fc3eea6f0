# Toolchains from source, in stages that are packages themselves:
#
#   1 binutilsCross        assembler and linker for the target
#   2 gccCrossStageStatic  a C compiler that needs no C library
#   3 linuxHeadersCross    the kernel's headers
#   4 libcCross            glibc, musl or uClibc-ng, compiled with 2
#   5 gccCrossStageFinal   C and C++, with the libraries that 4 allows
#   6 gcc                  5 with 1 and 4, wrapped (toolchain.nix)
#
# Where there is no operating system 3 is left out, 4 is newlib and 5 is 2: C only.
#
# In the stage of packages that run on the build machine and make code for the
# target. The kernel's headers are the seed's, so a Debian architecture with the
# target's instruction set is needed.
{ lib, config, seed, hostPlatform, targetPlatform, final }:

let
  major = toString config.gccVersion;
  target = targetPlatform;
  # GCC and binutils want to hear of uClibc, which the early form of a platform says
  # apart from the triple.
  named =
    if target.isUClibc && target.isGnu
    then target // {
      config = "${target.parsed.cpu.name}-unknown-linux-uclibc${lib.optionalString target.isAarch32 "eabi"}";
      isGnu = false;
    }
    else target;
  isCross = !lib.systems.equals hostPlatform targetPlatform;
  build = final.pkgsBuildBuild;
  runsHere = lib.systems.equals hostPlatform final.buildPlatform;

  gccFor = major: stage: libc: previous: import ./gcc.nix {
    inherit lib major stage libc previous isCross;
    target = named;
    inherit (final) stdenv buildPackages debianSource;
    inherit (final) gmp mpfr libmpc zlib;
    # What runs while it is built.
    binutils = if runsHere then self.binutils else final.buildPackages.binutils-unwrapped;
  };
  staticFor = major: gccFor major "static" null null;
  static = staticFor major;

  # Binutils know no C library, so targets that differ in nothing else share them.
  anyLibc =
    if (target.isMusl || target.isUClibc) && isCross
    then named // { config = lib.replaceStrings [ "-linux-musl" "-linux-uclibc" ] [ "-linux-gnu" "-linux-gnu" ] named.config; }
    else named;

  self = {
    # Libraries that the chain can build, for platforms whose kernel headers the
    # seed has; without a kernel, for the processors that both GCC 12 and newlib know.
    supports = platform:
      if isBare platform then !(platform.isVc4 || platform.isLoongArch64)
      else platform.isLinux && builtins.elem platform.libc [ "glibc" "musl" "uclibc" ] && platform.prebuilt != null;

    binutils = import ./binutils.nix {
      inherit lib isCross;
      inherit (final) stdenv buildPackages debianSource zlib;
      target = anyLibc;
    };

    # What programs run with; newlib becomes a part of them.
    libcFor = platform:
      if isBare platform then { }
      else {
        inherit musl glibc uclibc;
      }.${platform.libc} platform;

    # The compiler of a version, C library and all; its run-time libraries.
    gcc = major:
      if isBare target then staticFor major // {
        machineFlags = [ "-isystem" "${newlib}/include" "-B${newlib}/lib/" "-L${newlib}/lib" ];
      }
      else gccFor major "final"
        (if runsHere then self.libcFor target else final.libc)
        (if runsHere && isCross then staticFor major else null);
    gccLibs = major:
      let gcc = self.gcc major;
      in if isBare target then null else gcc.lib // { libDir = gcc.libDir; };

    # The wiki's names, for each target.
    stages = lib.optionalAttrs isCross {
      binutilsCross = self.binutils;
      gccCrossStageStatic = static;
      libcCrossSource = if isBare target then newlib else self.libcFor target;
      gccCrossStageFinal = self.gcc major;
    } // lib.optionalAttrs (isCross && !isBare target) {
      linuxHeadersCross = seed.kernelHeadersFor target;
    };
  };

  isBare = platform: platform.libc == "newlib" && platform.parsed.kernel.name == "none";

  newlib = import ./newlib-libc.nix {
    inherit lib;
    inherit (build) stdenv debianSource;
    platform = target;
    compiler = static;
    binutils = self.binutils;
  };

  musl = platform: import ./musl-libc.nix {
    inherit lib platform;
    inherit (build) stdenv debianSource;
    kernelHeaders = seed.kernelHeadersFor platform;
    compiler = static;
    binutils = self.binutils;
  };
  uclibc = platform: import ./uclibc-libc.nix {
    inherit lib platform;
    inherit (build) stdenv debianSource;
    kernelHeaders = seed.kernelHeadersFor platform;
    compiler = static;
    binutils = self.binutils;
  };
  glibc = platform: import ./glibc-libc.nix {
    inherit lib platform;
    inherit (build) stdenv debianSource bison python3;
    kernelHeaders = seed.kernelHeadersFor platform;
    compiler = static;
    binutils = self.binutils;
  };
in
self
