# How the package set fits together: stages, splicing, overlays, names. Nothing
# is built. Evaluates to true, or fails at the line of the assertion that does
# not hold.
let
  lib = import ../lib;
  import' = arguments: import ../. ({ localSystem = "x86_64-linux"; } // arguments);
  pkgs = import' { };
  cross = import' { crossSystem = "riscv64-linux"; };
  fails = value: !(builtins.tryEval value).success;
  pathOf = package: builtins.unsafeDiscardStringContext package.drvPath;
in

# Stages
assert pathOf pkgs.pkgsCross.riscv64.hello == pathOf cross.hello;
assert pathOf cross.buildPackages.hello == pathOf pkgs.hello;
assert pathOf cross.pkgsBuildBuild.hello == pathOf pkgs.hello;
assert pathOf cross.pkgsHostTarget.hello == pathOf cross.hello;
assert pathOf (import' { crossSystem = "x86_64-linux"; }).hello == pathOf pkgs.hello;
assert cross.stdenv.buildPlatform.system == "x86_64-linux" && cross.stdenv.hostPlatform.system == "riscv64-linux";
assert cross.buildPackages.stdenv.hostPlatform.system == "x86_64-linux";
assert cross.buildPackages.targetPlatform.system == "riscv64-linux";
assert pathOf cross.stdenv.cc == pathOf cross.buildPackages.gcc;

# Names
assert cross.stdenv.cc.name == "riscv64-unknown-linux-gnu-stage-final-gcc-wrapper-12.2.0";
assert cross.stdenv.cc.targetPrefix == "riscv64-unknown-linux-gnu-" && pkgs.stdenv.cc.targetPrefix == "";
assert cross.hello.name == "hello-riscv64-unknown-linux-gnu-${cross.hello.version}";
assert pkgs.hello.name == "hello-${pkgs.hello.version}" && pkgs.hello.pname == "hello";
assert cross.hello.meta.mainProgram == "hello" && lib.hasInfix "packages/hello/default.nix" cross.hello.meta.position;
assert cross.stdenv.cc.cc.version == cross.stdenv.cc.version && cross.stdenv.cc.bintools.targetPrefix == cross.stdenv.cc.targetPrefix;

# Splicing: the list decides which variant a dependency is.
assert
  let
    package = cross.callPackage
      ({ stdenv, m4 }: stdenv.mkDerivation {
        name = "test";
        depsBuildBuild = [ m4 ];
        nativeBuildInputs = [ m4 ];
        buildInputs = [ m4 null ];
        propagatedBuildInputs = [ m4 ];
      })
      { };
  in
  map pathOf package.nativeBuildInputs == [ (pathOf pkgs.m4) ]
  && map pathOf package.depsBuildBuild == [ (pathOf pkgs.m4) ]
  && map pathOf package.buildInputs == [ (pathOf cross.m4) ]
  && map pathOf package.propagatedBuildInputs == [ (pathOf cross.m4) ];
# `dev` outputs go into dependency lists, and the older names of lists work.
assert
  let
    package = cross.callPackage
      ({ stdenv, zlib, m4, flex }: stdenv.mkDerivation {
        name = "test";
        buildInputs = [ zlib ];
        buildNativeInputs = [ m4 ];
        propagatedBuildNativeInputs = [ flex ];
      })
      { };
  in
  map (p: p.outPath) package.buildInputs == [ cross.zlib.dev.outPath ]
  && map pathOf package.nativeBuildInputs == [ (pathOf pkgs.m4) ]
  && map pathOf package.propagatedNativeBuildInputs == [ (pathOf pkgs.flex) ];
assert pathOf cross.bison.buildDrv == pathOf pkgs.bison && pathOf cross.bison.hostDrv == pathOf cross.bison;
assert pathOf pkgs.bison.hostDrv == pathOf pkgs.bison;

# Overriding
assert (pkgs.hello.overrideAttrs (old: { pname = old.pname + "-2"; })).name == "hello-2-${pkgs.hello.version}";
assert (pkgs.hello.overrideAttrs { version = "3"; }).name == "hello-3";
assert (pkgs.hello.overrideAttrs (final: prev: { pname = "v${final.version}"; version = "4"; })).name == "v4-4";
assert
  let package = pkgs.stdenv.mkDerivation (final: { pname = "a"; version = "1"; passthru.own = final.finalPackage.name; });
  in package.own == "a-1" && (package.overrideAttrs { version = "2"; }).own == "a-2";
assert (pkgs.hello.override { debianSource = name: pkgs.debianSource name // { version = "9"; }; }).version == "9";

# Overlays
assert
  let set = import' { overlays = [ (final: prev: { extra = prev.hello; }) ]; };
  in pathOf set.extra == pathOf pkgs.hello && pathOf set.pkgsCross.riscv64.extra == pathOf cross.hello;
assert
  let
    set = import' {
      crossSystem = "riscv64-linux";
      crossOverlays = [ (final: prev: { hello = prev.hello.overrideAttrs { pname = "hallo"; }; }) ];
    };
  in lib.hasPrefix "hallo-" set.hello.name && pathOf set.buildPackages.hello == pathOf pkgs.hello;
assert
  let set = import' { crossSystem.config = "riscv64-unknown-linux-gnu"; overlays = [ (self: super: { gcc = self.gcc12; }) ]; };
  in set.pkgsCross.riscv64.stdenv.cc.version == "12.2.0";
assert (pkgs.extend (final: prev: { extra = 1; })).extra == 1;

# Compilers
assert (import' { crossSystem = "aarch64-linux"; config.gccVersion = "11"; }).stdenv.cc.version == "11.3.0";
assert lib.versions.major pkgs.pkgsCross.aarch64-multiplatform.buildPackages.gcc11.version == "11";

# Checks are emulated only where that is asked for.
assert (cross.zlib.requiredSystemFeatures or [ ]) == [ ] && cross.zlib.drvAttrs.doCheck == false && pkgs.zlib.drvAttrs.doCheck;
assert
  let set = import' { crossSystem = "riscv64-linux"; config.emulateChecks = true; };
  in set.zlib.drvAttrs.doCheck && set.zlib.drvAttrs.requiredSystemFeatures == [ "emulate-riscv64-linux" ];

# Toolchains: the default, another version, from source, and for other kinds of target.
assert (import' { config.gccVersion = "11"; }).pkgsCross.riscv64.stdenv.cc.name == "riscv64-unknown-linux-gnu-stage-final-gcc-wrapper-11.3.0";
assert
  let
    a = import' {
      crossSystem.config = "riscv64-unknown-linux-gnu";
      config.gccVersion = "11";
      overlays = [ (self: super: { gcc = self.gcc12; }) ];
    };
  in
  a.pkgsCross.riscv64.stdenv.cc.name == "riscv64-unknown-linux-gnu-stage-final-gcc-wrapper-12.2.0"
  && a.stdenv.cc.version == "12.2.0";
# From source: stages in the wiki's order, each made with the ones before it.
assert
  let
    madeWith = package: other:
      lib.hasInfix (builtins.unsafeDiscardStringContext other.outPath)
        (builtins.unsafeDiscardStringContext (builtins.toJSON package.drvAttrs));
    check = crossSystem: libc:
      let
        source = import' { inherit crossSystem; config.toolchain = "source"; };
        stages = source.buildPackages;
        inherit (source.stdenv) cc;
      in
      lib.hasPrefix "binutils-unwrapped-" stages.binutilsCross.name
      && lib.hasPrefix "gcc-static-" stages.gccCrossStageStatic.name
      && madeWith stages.gccCrossStageStatic stages.binutilsCross
      && lib.hasPrefix "linux-headers-" stages.linuxHeadersCross.name
      && lib.hasPrefix "${libc}-" stages.libcCrossSource.name
      && madeWith stages.libcCrossSource stages.gccCrossStageStatic
      && madeWith stages.libcCrossSource stages.linuxHeadersCross
      && lib.hasPrefix "gcc-unwrapped-" stages.gccCrossStageFinal.name
      && madeWith stages.gccCrossStageFinal stages.gccCrossStageStatic.objects
      && madeWith stages.gccCrossStageFinal stages.libcCrossSource.dev
      && pathOf cc.cc == pathOf stages.gccCrossStageFinal
      && pathOf cc.libc == pathOf stages.libcCrossSource
      && cc.name == "${crossSystem}-stage-final-gcc-wrapper-12.2.0" && cc.langCC
      && pathOf stages.stdenv.cc == pathOf pkgs.stdenv.cc;
  in
  check "aarch64-unknown-linux-musl" "musl" && check "aarch64-unknown-linux-gnu" "glibc"
  && check "riscv64-unknown-linux-musl" "musl" && check "riscv64-unknown-linux-gnu" "glibc";
# Binutils are the same whatever the C library.
assert
  let
    binutils = crossSystem:
      (import' { inherit crossSystem; config.toolchain = "source"; }).buildPackages.binutilsCross;
  in
  pathOf (binutils "riscv64-unknown-linux-musl") == pathOf (binutils "riscv64-unknown-linux-gnu");
assert pkgs.pkgsCross.mingwW64.stdenv.cc.targetPrefix == "x86_64-w64-mingw32-" && pkgs.pkgsCross.wasi32.stdenv.cc.isClang;
assert pkgs.pkgsCross.riscv64-musl.stdenv.cc.libc.pname == "musl-riscv64-unknown-linux-musl";

# The form of the first cross-compilation work.
assert
  let
    old = import' {
      crossSystem = {
        config = "mips-unknown-linux";
        bigEndian = true;
        arch = "mips";
        float = "soft";
        withTLS = true;
        libc = "uclibc";
        platform = { name = "comtrend"; kernelArch = "mips"; uboot = null; };
        openssl.system = "linux-generic32";
        gcc.arch = "mips32";
      };
    };
  in
  pathOf old.bison == pathOf pkgs.bison && pathOf old.bison.buildDrv == pathOf pkgs.bison
  && old.bison.hostDrv.drvAttrs.crossConfig == "mips-unknown-linux"
  && old.bison.hostDrv.stdenv.hostPlatform.libc == "uclibc";

# Also of packages in a set.
assert
  let
    old = import' { crossSystem = { config = "armv5tel-unknown-linux-gnueabi"; arch = "arm"; float = "soft"; withTLS = true; }; };
  in
  lib.hasSuffix "-xeyes-armv5tel-unknown-linux-gnueabi-7.7.drv" (pathOf old.xorg.xeyes.hostDrv)
  && pathOf old.xorg.xeyes.hostDrv.hostDrv == pathOf old.xorg.xeyes.hostDrv;

# What can't be done says so.
assert fails pkgs.pkgsCross.avr.hello.drvPath;
# A platform without a toolchain evaluates; building says what is missing.
assert lib.hasInfix "no toolchain for loongarch64" pkgs.pkgsCross.loongarch64-linux.stdenv.cc.cc.message;
assert lib.hasSuffix ".drv" (pathOf pkgs.pkgsCross.loongarch64-linux.hello);
assert fails (import' { crossSystem = "nonsense"; }).hello.drvPath;
assert builtins.all (name: builtins.isString pkgs.pkgsCross.${name}.stdenv.hostPlatform.config) (builtins.attrNames pkgs.pkgsCross);
assert builtins.length (builtins.attrNames pkgs.pkgsCross) > 58;
true
