# GCC from source for one target.
#
# `stage` is "static" (C only, no C library, for compiling one) or "final" (C and
# C++ on `libc`). Debian's archive holds upstream's inside.
{ lib, stdenv, debianSource, gmp, mpfr, libmpc, binutils, target, major, stage, libc, isCross, hostPlatform }:

let
  source = debianSource "gcc-${major}";
  isFinal = stage == "final";
  inherit (target) gcc;
  targetPrefix = lib.optionalString isCross "${target.config}-";
  package = stdenv.mkDerivation ({
    pname = "gcc-${if isFinal then "unwrapped" else "static"}-${target.config}";
    inherit (source) version src;
    outputs = [ "out" ] ++ lib.optional isFinal "lib";
    buildInputs = [ gmp mpfr libmpc ];
    postUnpack = ''
      (cd "$sourceRoot" && tar xf gcc-*.tar.* --strip-components=1 --no-same-owner)
      mkdir -p "$NIX_BUILD_TOP/build"
    '';
    # Out of the source tree, as GCC wants it.
    preConfigure = ''
      configureScript=$PWD/configure
      cd "$NIX_BUILD_TOP/build"
      # The compiler runs here; what it compiles for the target is its own affair.
      export CFLAGS_FOR_TARGET="-O2" CXXFLAGS_FOR_TARGET="-O2"
    '';
    configureFlags = lib.concatLists [
      [
        "--target=${target.config}" "--with-sysroot=/" "--with-native-system-header-dir=/include"
        "--with-as=${binutils}/bin/${targetPrefix}as" "--with-ld=${binutils}/bin/${targetPrefix}ld"
        "--disable-nls" "--disable-multilib" "--disable-bootstrap" "--disable-libsanitizer"
        "--disable-libssp" "--disable-libvtv" "--disable-libquadmath" "--disable-lto" "--disable-plugin"
        "--disable-werror" "--with-gnu-as" "--with-gnu-ld" "--disable-libstdcxx-pch"
        "CFLAGS=-O2" "CXXFLAGS=-O2"
      ]
      (lib.optional (gcc ? arch) "--with-arch=${gcc.arch}")
      (lib.optional (gcc ? abi) "--with-abi=${gcc.abi}")
      (lib.optional (gcc ? fpu) "--with-fpu=${gcc.fpu}")
      (lib.optional (gcc ? float) "--with-float=${gcc.float}")
      (if isFinal then [
        "--enable-languages=c,c++" "--enable-shared" "--enable-threads=posix" "--enable-default-pie"
        "--disable-libgomp" "--disable-libitm" "--with-build-sysroot=${libc.dev}"
      ] else [
        "--enable-languages=c" "--without-headers" "--with-newlib" "--disable-shared"
        "--disable-threads" "--disable-libgomp" "--disable-libatomic" "--disable-libitm"
        "--disable-decimal-float"
      ])
    ];
    makeFlags = [ "MAKEINFO=true" ];
    dontDisableStatic = true;
    dontSetOutputFlags = true;
    dontMoveOutputs = true;
    # Programs for this machine and libraries for the target, in one tree.
    dontStrip = true;
    dontVerifyMachine = true;
    passthru = {
      inherit targetPrefix;
      programPrefix = targetPrefix;
      programSuffix = "";
      isGNU = true;
      langC = true;
      langCC = isFinal;
    };
    meta = {
      description = "GNU compiler for ${target.config}";
      homepage = "https://gcc.gnu.org/";
      license = lib.licenses.gpl3Plus;
    };
  } // (if isFinal then {
    postInstall = ''
      # Run-time libraries apart: programs refer to them, not to the compiler.
      mkdir -p "$lib/lib"
      for directory in "$out/${target.config}/lib" "$out/${target.config}/lib64" "$out/lib64"; do
        if [ ! -d "$directory" ]; then continue; fi
        for file in "$directory"/*.so "$directory"/*.so.*; do
          mv "$file" "$lib/lib/"
          ln -s "$lib/lib/''${file##*/}" "$file"
        done
      done
      for file in "$lib"/lib/*.so.*; do
        if [ ! -L "$file" ]; then patchelf --set-rpath "$lib/lib:${libc.libraryPath}" "$file" || true; fi
      done
      rm -f "$lib"/lib/*.py "$out/${target.config}"/lib*/*.py
    '';
  } else {
    buildPhase = ''
      runHook preBuild
      makeCommand all-gcc all-target-libgcc
      runHook postBuild
    '';
    installTargets = "install-gcc install-target-libgcc";
    # The C library's build asks for the part of libgcc that the shared one would have.
    postInstall = ''
      for file in "$out"/lib/gcc/*/*/libgcc.a; do ln -s libgcc.a "''${file%.a}_eh.a"; done
    '';
  }));
in
package // { libDir = "lib"; }
