# GCC from source for one target. Debian's archive holds upstream's inside.
#
# `stage` is one of
#
#   static  C and C++ without a C library, for compiling one. `objects` is the tree
#           that it was built in.
#   final   the same compiler, taken from `previous` (static), and the libraries that
#           need `libc`. Without `previous` it is built from the beginning.
#
# A compiler takes longer to be built than it will ever run here, so it is optimised
# lightly, leaves out what no package of the set asks for, and is compiled once.
{ lib, stdenv, buildPackages, debianSource, gmp, mpfr, libmpc, zlib, binutils, target, major, stage, libc, isCross, previous ? null }:

let
  source = debianSource "gcc-${major}";
  isFinal = stage == "final";
  isBare = target.parsed.kernel.name == "none";
  goesOn = previous != null;
  runsElsewhere = !lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform;
  inherit (target) gcc;
  targetPrefix = lib.optionalString isCross "${target.config}-";
  toolDirectory = "${binutils}/${binutils.toolDirectory}";
  # Not the output's path, so that two stages can be one build. A compiler looks for
  # its files relative to itself.
  prefix = "/gcc";
  moveToOut = ''mv "$out${prefix}"/* "$out/"; rmdir "$out${prefix}"'';
  # Other languages and tests: most of the source's files.
  leftOut = [
    "gcc/testsuite/g*" "gcc/ada/*" "gcc/d/dmd/*" "gcc/fortran/*" "gcc/go/*" "libgo/*" "libphobos/*" "libstdc++-v3/testsuite/*/*"
  ];

  configureFlags = lib.concatLists [
    [
      "--prefix=${prefix}" "--target=${target.config}" "--with-sysroot=/" "--with-native-system-header-dir=/include"
      # Not --with-ld: the wrapper's linker, which -B leads to, would not be asked.
      "--with-build-time-tools=${toolDirectory}" "--with-gnu-as" "--with-gnu-ld" "--with-system-zlib"
      "--enable-languages=${if isBare then "c" else "c,c++"}" (if isBare then "--with-newlib" else "--enable-default-pie")
      "--enable-checking=release"
      "--disable-nls" "--disable-multilib" "--disable-bootstrap" "--disable-libsanitizer"
      "--disable-libssp" "--disable-libvtv" "--disable-libquadmath" "--disable-libgomp" "--disable-libitm"
      "--disable-lto" "--disable-plugin" "--disable-analyzer" "--disable-werror" "--disable-libstdcxx-pch"
      "--disable-libstdcxx-filesystem-ts" "--disable-decimal-float" "--disable-gcov"
    ]
    (if isBare then [ "--disable-shared" "--disable-threads" "--without-headers" ]
     else [ "--enable-shared" "--disable-static" "--enable-threads=posix" ])
    [
      # musl and glibc have what -fstack-protector needs. The compiler is asked for
      # before they are there to be looked at.
      "gcc_cv_libc_provides_ssp=yes"
      "CFLAGS=-O1" "CXXFLAGS=-O1"
    ]
    (lib.optional target.isGnu "--with-glibc-version=${lib.versions.majorMinor (debianSource "glibc").version}")
    (lib.optional (gcc ? arch) "--with-arch=${gcc.arch}")
    (lib.optional (gcc ? abi) "--with-abi=${gcc.abi}")
    (lib.optional (gcc ? fpu) "--with-fpu=${gcc.fpu}")
    (lib.optional (gcc ? float) "--with-float=${gcc.float}")
  ];

  common = {
    pname = "gcc-${if isFinal then "unwrapped" else "static"}-${target.config}";
    inherit (source) version src;
    outputs = [ "out" (if isFinal then "lib" else "objects") ];
    buildInputs = [ gmp mpfr libmpc zlib ];
    # Much of its source is made by programs that run while it is built.
    depsBuildBuild = lib.optional runsElsewhere buildPackages.stdenv.cc;
    postUnpack = ''
      (cd "$sourceRoot" && tar xf gcc-*.tar.* --strip-components=1 --no-same-owner \
        ${toString (map (path: "--exclude='*/${path}'") leftOut)} && rm gcc-*.tar.*)
    '';
    # Out of the source tree, as GCC wants it.
    preConfigure = ''
      mkdir -p "$NIX_BUILD_TOP/build"
      configureScript=../''${PWD##*/}/configure
      cd "$NIX_BUILD_TOP/build"
      # The libraries for the target would take this machine's preprocessor.
      unset CPP CXXCPP
      # The compiler runs here; what it compiles for the target is its own affair.
      export CFLAGS_FOR_TARGET="-O2" CXXFLAGS_FOR_TARGET="-O2"
    '';
    inherit configureFlags;
    dontAddPrefix = true;
    makeFlags = [ "MAKEINFO=true" ];
    preInstall = ''installFlagsArray+=("DESTDIR=$out")'';
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
  };

  # libgcc without what asks for a C library: threads, the shared one. Variables of
  # the command line don't reach the libraries' makefiles, the command's name does.
  alone = ''"MAKE=make enable_shared=no thread_header=gthr-single.h"'';
  # A chapter of the manual, which Debian's source has not, would be checked.
  withoutManual = ''
    makeCommand -C gcc build/genhooks
    touch gcc/s-tm-texi
  '';
  static = {
    buildPhase = ''
      runHook preBuild
      # GCC's configure scripts, which make starts, take it from the environment.
      export inhibit_libc=true
      makeCommand all-gcc
      ${withoutManual}
      makeCommand all-target-libgcc ${alone}
      runHook postBuild
    '';
    installTargets = "install-gcc install-target-libgcc";
    preInstall = ''installFlagsArray+=("DESTDIR=$out" ${alone})'';
    postInstall = ''
      ${moveToOut}
      # C libraries ask for the part of libgcc that the shared one would have.
      for file in "$out"/lib/gcc/*/*/libgcc.a; do ln -s libgcc.a "''${file%.a}_eh.a"; done
      # limits.h goes on with the C library's, which will be there.
      for directory in gcc/include-fixed "$out"/lib/gcc/*/*/include-fixed; do
        cat "$sourceDirectory"/gcc/{limitx,glimits,limity}.h > "$directory/limits.h"
        cp "$sourceDirectory/gcc/gsyslimits.h" "$directory/syslimits.h"
      done
      mkdir -p "$objects"
      tar c --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner --exclude='./${target.config}' . \
        | gzip -1 -n > "$objects/build.tar.gz"
    '';
  };

  # A compiler for its own machine looks for the C library's headers in /include
  # while it is built, too. The top makefile hands no such variable on.
  useHeaders = ''
    makeCommand configure-gcc
    sed -i 's|^BUILD_SYSTEM_HEADER_DIR *=.*|BUILD_SYSTEM_HEADER_DIR = ${libc.dev}/include|' gcc/Makefile
  '';

  # How it was configured, and what compiled its libraries, is written down in many
  # files: for whom it may concern, nothing reads it. The scripts that belong to the
  # build are not needed.
  forgetBuildMachine = ''
    rm -rf "$out"/lib*/gcc/*/*/install-tools
    for path in $disallowedReferences; do
      name=''${path##*/}
      hash=''${name%%-*}
      grep -rlF -e "$hash" "$out" "$lib" > mentions || true
      while read -r file; do sed -i "s/$hash/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee/g" "$file"; done < mentions
    done
  '';

  targetLibraries = [ "libgcc" "libstdc++-v3" "libatomic" ];
  final = {
    buildPhase = ''
      runHook preBuild
      ${lib.optionalString (!isCross) useHeaders}
      ${lib.optionalString (!goesOn) "makeCommand all-gcc\n${withoutManual}"}
      makeCommand ${toString (map (library: "all-target-${library}") targetLibraries)}
      runHook postBuild
    '';
    installTargets = [ "install-gcc" ] ++ map (library: "install-target-${library}") targetLibraries;
    makeFlags = common.makeFlags ++ lib.optional isCross "SYSROOT_CFLAGS_FOR_TARGET=--sysroot=${libc.dev}";
    postInstall = ''
      ${moveToOut}
      libraries=$(find "$out" -name libstdc++.so)
      libraries=''${libraries%/*}
      # The static libraries, out of the shared ones' objects: compiling everything
      # twice would take as long again. Either they are in an archive already, or apart.
      objects=${target.config}/libstdc++-v3
      staticLibrary() {
        if [ -e "$objects/$1" ]; then cp "$objects/$1" "$libraries/"
        else ${toolDirectory}/ar qcsD "$libraries/''${1##*/}" "''${@:2}"; fi
      }
      staticLibrary src/.libs/libstdc++.a "$objects"/src/c++*/.libs/*.o "$objects"/libsupc++/.libs/*.o
      staticLibrary libsupc++/.libs/libsupc++.a "$objects"/libsupc++/.libs/*.o

      # Run-time libraries apart: programs refer to them, not to the compiler.
      mkdir -p "$lib/lib"
      find "$out" -name '*.py' -delete
      find "$out" -name libexec -prune -o \( -name '*.so' -o -name '*.so.*' \) -print > libraries
      while read -r file; do
        mv "$file" "$lib/lib/"
        ln -s "$lib/lib/''${file##*/}" "$file"
      done < libraries
      for file in "$lib"/lib/*.so.*; do
        if [ ! -L "$file" ]; then patchelf --set-rpath "$lib/lib:${libc.libraryPath}" "$file"; fi
      done
      ${lib.optionalString runsElsewhere forgetBuildMachine}
    '';
  } // lib.optionalAttrs goesOn {
    # Where the stage before stopped. With one date for all files nothing of it is
    # out of date.
    configurePhase = ''
      runHook preConfigure
      tar xf ${previous.objects}/build.tar.gz
      # Now there is a C library.
      sed -i '/^INHIBIT_LIBC_CFLAGS/d' gcc/libgcc.mvars
      find . "$sourceDirectory" -exec touch -h -d @1 {} +
      runHook postConfigure
    '';
  };
  package = stdenv.mkDerivation (common // (if isFinal then final else static));
in
package // { libDir = "lib"; }
