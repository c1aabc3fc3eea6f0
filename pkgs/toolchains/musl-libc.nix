# The C library musl for a platform, compiled with an unwrapped compiler that
# needs no C library.
#
# `out` is what programs need when they run, `dev` the compiler's sysroot.
{ lib, stdenv, debianSource, platform, name, kernelHeaders, compiler, binutils, flags ? [ ] }:

let
  source = debianSource "musl";
  inherit (platform) gcc;
  machine = lib.concatLists [
    (lib.optional (gcc ? arch) "-march=${gcc.arch}")
    (lib.optional (gcc ? abi) "-mabi=${gcc.abi}")
    (lib.optional (gcc ? fpu) "-mfpu=${gcc.fpu}")
    (lib.optional (gcc ? float && platform.isAarch32) "-mfloat-abi=${gcc.float}")
    (lib.optional (gcc ? float && platform.isMips) "-m${gcc.float}-float")
  ];
  loader = baseNameOf (if platform.dynamicLinker != null then platform.dynamicLinker else "ld-musl.so.1");
  package = stdenv.mkDerivation {
    pname = name;
    inherit (source) version src;
    outputs = [ "out" "dev" ];
    postUnpack = ''
      tools=$NIX_BUILD_TOP/tools
      mkdir -p "$tools"
      for tool in as ld ld.bfd ar ranlib strip; do
        ln -s "${binutils}/bin/${binutils.programPrefix}$tool" "$tools/$tool"
      done
    '';
    # Neither autoconf's script nor the native compiler.
    configurePlatforms = [ ];
    preConfigure = ''
      unset NIX_CFLAGS_COMPILE NIX_LDFLAGS
      export CC="${compiler}/bin/${compiler.programPrefix}gcc${compiler.programSuffix} -B$tools ${toString (machine ++ flags)}"
      export AR=$tools/ar RANLIB=$tools/ranlib STRIP=$tools/strip
    '';
    configureFlags = [ "--target=${platform.config}" "--syslibdir=${placeholder "out"}/lib" ];
    dontDisableStatic = true;
    dontSetOutputFlags = true;
    dontStrip = true;
    dontPatchELF = true;
    dontVerifyMachine = true;
    dontMoveOutputs = true;
    postInstall = ''
      mkdir -p "$dev/lib"
      mv "$out/include" "$dev/include"
      mv "$out"/lib/*.a "$out"/lib/*.o "$dev/lib/"
      ln -s "$out/lib/libc.so" "$dev/lib/libc.so"
      # Programs find it by its path in the store, not by musl's absolute link.
      ln -sf libc.so "$out/lib/${loader}"
      $STRIP -S "$out/lib/libc.so"
      cp -rn ${kernelHeaders}/include/. "$dev/include/"
      ln -s . "$dev/usr"
    '';
    disallowedReferences = [ compiler binutils ];
    meta = {
      description = "Small C library, here for ${platform.config}";
      homepage = "https://musl.libc.org/";
      license = lib.licenses.mit;
    };
  };
in
package // {
  libDir = "lib";
  dynamicLinker = "${package}/lib/${loader}";
  libraryPath = "${package}/lib";
}
