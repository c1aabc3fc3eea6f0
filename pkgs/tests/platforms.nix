# What lib.systems says about platforms. Evaluates to true, or fails at the line
# of the assertion that does not hold.
let
  lib = import ../lib;
  inherit (lib.systems) elaborate equals examples;
  fails = value: !(builtins.tryEval value).success;
  riscv64 = elaborate "riscv64";
  x86_64 = elaborate "x86_64-linux";
  all = lib.mapAttrs (name: _: elaborate name) examples;
in

# The ways to name a platform: attribute of pkgsCross, system, triple, set.
assert equals riscv64 (elaborate "riscv64-linux");
assert equals riscv64 (elaborate "riscv64-unknown-linux-gnu");
assert equals riscv64 (elaborate { config = "riscv64-unknown-linux-gnu"; });
assert equals riscv64 (elaborate { system = "riscv64-linux"; });
assert equals riscv64 (elaborate examples.riscv64);
assert equals (elaborate riscv64) riscv64;
assert !equals riscv64 x86_64;
assert (elaborate "armv7l-linux").config == "armv7l-unknown-linux-gnueabihf";
assert (elaborate "armhf").config == "armv7l-unknown-linux-gnueabihf";
assert (elaborate "aarch64-linux-gnu").system == "aarch64-linux";
assert (elaborate "arm64-linux").parsed.cpu.name == "aarch64";
assert fails (elaborate "riscv65-linux").parsed.cpu.name;
assert fails (elaborate "x86_64-unknown-beos").parsed.kernel.name;
assert fails (elaborate "x86_64-unknown-linux-gnux33").parsed.abi.name;
assert fails (elaborate { }).config;

# Triples
assert (elaborate "i686-w64-mingw32").parsed.kernel.name == "windows";
assert (elaborate "arm-none-eabi").parsed.abi.name == "eabi";
assert (elaborate "wasm32-unknown-wasi").isWasm;
assert (elaborate "mips-unknown-linux").parsed.abi.name == "gnu";
assert (elaborate "x86_64-apple-darwin20.1").parsed.kernel.name == "darwin";
assert lib.systems.parse.toTriple (elaborate "arm64-apple-darwin").parsed == "aarch64-apple-darwin";
# Every record's triple and system agree with its own CPU and kernel.
assert builtins.all (platform: builtins.isString platform.system && platform.parsed.cpu.bits > 0) (lib.attrValues all);

# Names that nixpkgs has had since 2022 or earlier.
assert builtins.all (name: all.${name}.parsed.cpu.bits > 0 && builtins.isString all.${name}.config) [
  "aarch64-android" "aarch64-android-prebuilt" "aarch64-darwin" "aarch64-embedded"
  "aarch64-multiplatform" "aarch64-multiplatform-musl" "aarch64be-embedded" "arm-embedded"
  "armhf-embedded" "armv7a-android-prebuilt" "armv7l-hf-multiplatform" "avr" "ben-nanonote"
  "fuloongminipc" "ghcjs" "gnu32" "gnu64" "i686-embedded" "iphone32" "iphone32-simulator" "iphone64"
  "iphone64-simulator" "loongarch64-linux" "m68k" "mingw32" "mingwW64" "mips-linux-gnu"
  "mips64-linux-gnuabi64" "mips64-linux-gnuabin32" "mips64el-linux-gnuabi64"
  "mips64el-linux-gnuabin32" "mipsel-linux-gnu" "mmix" "msp430" "musl-power" "musl32" "musl64"
  "muslpi" "or1k" "pogoplug4" "powernv" "ppc-embedded" "ppc64" "ppc64-musl" "ppcle-embedded"
  "raspberryPi" "remarkable1" "remarkable2" "riscv32" "riscv32-embedded" "riscv64" "riscv64-embedded"
  "rx-embedded" "s390" "s390x" "sheevaplug" "vc4" "wasi32" "x86_64-darwin" "x86_64-embedded"
  "x86_64-freebsd" "x86_64-netbsd" "x86_64-netbsd-llvm" "x86_64-unknown-redox"
];

# Facts
assert riscv64.isRiscV && riscv64.is64bit && riscv64.isLittleEndian && riscv64.isLinux && riscv64.isGnu && !riscv64.isMusl;
assert riscv64.libc == "glibc" && riscv64.qemuArch == "riscv64" && riscv64.linuxArch == "riscv" && riscv64.linker == "bfd";
assert riscv64.elfMachine == 243 && riscv64.elfClass == 64;
assert riscv64.extensions.sharedLibrary == ".so" && all.mingwW64.extensions.executable == ".exe";
assert riscv64.rust.rustcTarget == "riscv64gc-unknown-linux-gnu";
assert all.armv7l-hf-multiplatform.rust.rustcTarget == "armv7-unknown-linux-gnueabihf";
assert all.armv7l-hf-multiplatform.go == { GOOS = "linux"; GOARCH = "arm"; GOARM = 7; };
assert all.sheevaplug.isAarch32 && all.sheevaplug.gcc.float == "soft" && all.sheevaplug.parsed.cpu.version == "5";
assert all.mips-linux-gnu.isBigEndian && all.mips-linux-gnu.isMips32 && all.mipsel-linux-gnu.isLittleEndian;
assert all.mips64el-linux-gnuabi64.isMips64n64 && all.mips64el-linux-gnuabin32.isMips64n32;
assert all.powernv.isPower64 && all.ppc64.isAbiElfv2 && !all.ppc64-elfv1.isAbiElfv2;
assert all.musl64.isMusl && all.musl64.libc == "musl" && all.ben-nanonote.isUClibc && all.aarch64-android.isAndroid;
assert all.mingwW64.isWindows && all.mingwW64.isMinGW && all.aarch64-darwin.isDarwin && all.x86_64-freebsd.isBSD;
assert all.avr.isNone && all.avr.libc == "avrlibc" && !all.avr.hasSharedLibraries && all.wasi32.isStatic;
assert all.gnux32.isILP32 && all.gnux32.is64bit;

# The form of the early cross-compilation work.
assert
  let
    comtrend = elaborate {
      config = "mips-unknown-linux";
      bigEndian = true;
      arch = "mips";
      float = "soft";
      withTLS = true;
      libc = "uclibc";
      openssl.system = "linux-generic32";
      gcc.arch = "mips32";
    };
  in
  comtrend.config == "mips-unknown-linux" && comtrend.libc == "uclibc" && comtrend.isBigEndian
  && comtrend.gcc == { arch = "mips32"; float = "soft"; } && comtrend.emulatorName == "mips"
  && comtrend.dynamicLinker == all.mips-linux-uclibc.dynamicLinker && comtrend.openssl.system == "linux-generic32";

# Running
assert x86_64.canExecute (elaborate "i686-linux") && !(elaborate "i686-linux").canExecute x86_64;
assert !x86_64.canExecute riscv64 && riscv64.canExecute riscv64;
assert !x86_64.canExecute all.x86_64-freebsd;
assert lib.platformMatch riscv64 "riscv64-linux" && !lib.platformMatch riscv64 "x86_64-linux";
assert lib.platformMatch riscv64 { parsed.kernel.name = "linux"; };
assert builtins.elem "riscv64-linux" lib.platforms.linux && !builtins.elem "x86_64-darwin" lib.platforms.linux;
true
