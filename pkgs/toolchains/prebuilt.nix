# Debian's cross compilers for other targets than Linux with glibc. Each is one
# tree that holds the compiler with its C library, as the compiler finds that
# relative to itself.
{ lib, seed, targetPlatform }:

let
  inherit (seed) tree versionOf programDependencies;
  inherit (targetPlatform) prebuilt;
  dashes = lib.replaceStrings [ "_" ] [ "-" ];

  common = {
    isGNU = true;
    langC = true;
    langCC = true;
    programPrefix = "${prebuilt.triple}-";
    programSuffix = "";
  };
  compilerTree = { debs, passthru ? { }, ... }@arguments: tree ({
    pname = "gcc-unwrapped-${targetPlatform.config}";
    version = versionOf (builtins.head debs);
    dependencies = programDependencies;
    passthru = common // passthru;
  } // builtins.removeAttrs arguments [ "passthru" ]);
  binutilsTree = deb: tree {
    pname = "binutils-unwrapped-${targetPlatform.config}";
    debs = [ deb ];
    version = versionOf deb;
    dependencies = programDependencies;
    passthru = { inherit (common) programPrefix; };
  };

  mingw =
    let cpu = dashes targetPlatform.parsed.cpu.name;
    in {
      # Of the two kinds of threads the one that needs no further library.
      compiler = compilerTree {
        debs = [
          "gcc-mingw-w64-${cpu}-win32" "gcc-mingw-w64-${cpu}-win32-runtime" "g++-mingw-w64-${cpu}-win32"
          "mingw-w64-${cpu}-dev" "mingw-w64-common"
        ];
        passthru = {
          programSuffix = "-win32";
          # No libgcc_s and libstdc++ next to the program, and no debugging information
          # that names the compiler's headers: the build script strips ELF files only.
          machineFlags = [ "-static-libgcc" "-Wl,-s" ];
        };
      };
      binutils = binutilsTree "binutils-mingw-w64-${cpu}";
    };

  bare = {
    arm-none-eabi = {
      compiler =
        let unwrapped = compilerTree { debs = [ "gcc-arm-none-eabi" "libnewlib-arm-none-eabi" "libnewlib-dev" ]; };
        in unwrapped // {
          machineFlags = [
            "-isystem" "${unwrapped}/include/newlib" "-B${unwrapped}/lib/arm-none-eabi/newlib/"
          ];
        };
      binutils = binutilsTree "binutils-arm-none-eabi";
    };
    riscv64-unknown-elf = {
      compiler =
        let unwrapped = compilerTree { debs = [ "gcc-riscv64-unknown-elf" "picolibc-riscv64-unknown-elf" ]; };
        in unwrapped // {
          # What picolibc's spec file says, without its absolute paths.
          machineFlags =
            let picolibc = "${unwrapped}/lib/picolibc/riscv64-unknown-elf";
                variant = if targetPlatform.is64bit then "rv64imafdc/lp64d" else "rv32imafdc/ilp32d";
                arch = if targetPlatform.is64bit then "-march=rv64gc" else "-march=rv32gc";
            in [
              arch "-mabi=${if targetPlatform.is64bit then "lp64d" else "ilp32d"}" "-mcmodel=medany"
              "-specs=${./picolibc.specs}"
              "-isystem" "${picolibc}/include" "-L${picolibc}/lib/${variant}" "-B${picolibc}/lib/${variant}/" "-B${picolibc}/lib/"
            ];
        };
      binutils = binutilsTree "binutils-riscv64-unknown-elf";
    };
  }.${prebuilt.triple};

  avr = {
    compiler = compilerTree { debs = [ "gcc-avr" "avr-libc" ]; };
    binutils = binutilsTree "binutils-avr";
  };

  llvmLibraries = tree {
    pname = "llvm-libraries";
    version = versionOf "libllvm14";
    debs = [ "libllvm14" "libclang-cpp14" "libedit2" "libbsd0" "libmd0" "libxml2" "libicu72" "libz3-4" "libffi8" ];
    dependencies = programDependencies;
    passthru.pname = "llvm-libraries";
  };
  wasi = {
    compiler =
      let
        clang = compilerTree {
          pname = "clang-unwrapped";
          debs = [
            "clang-14" "libclang-common-14-dev" "libclang-rt-14-dev-wasm32" "wasi-libc"
            "libc++-14-dev-wasm32" "libc++abi-14-dev-wasm32"
          ];
          dependencies = [ llvmLibraries ] ++ programDependencies;
        };
      in clang // {
        isGNU = false;
        isClang = true;
        programPrefix = "";
        programSuffix = "-14";
        drivers = { c = "clang"; cxx = "clang++"; cpp = "clang-cpp"; };
        machineFlags = [ "--target=wasm32-wasi" "--sysroot=${clang}" ];
      };
    binutils = tree {
      pname = "lld";
      version = versionOf "lld-14";
      debs = [ "lld-14" "llvm-14" ];
      dependencies = [ llvmLibraries ] ++ programDependencies;
      links = [
        "bin/wasm-ld=../lib/llvm-14/bin/wasm-ld" "bin/ar=../lib/llvm-14/bin/llvm-ar"
        "bin/ranlib=../lib/llvm-14/bin/llvm-ranlib" "bin/nm=../lib/llvm-14/bin/llvm-nm"
        "bin/strip=../lib/llvm-14/bin/llvm-strip" "bin/objcopy=../lib/llvm-14/bin/llvm-objcopy"
        "bin/objdump=../lib/llvm-14/bin/llvm-objdump" "bin/size=../lib/llvm-14/bin/llvm-size"
      ];
      passthru = { programPrefix = ""; linker = "wasm-ld"; };
    };
  };
in
{ inherit mingw bare avr wasi; }.${prebuilt.kind}
