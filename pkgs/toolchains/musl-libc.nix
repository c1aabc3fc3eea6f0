# The C library musl for a platform, compiled with an unwrapped compiler that
# needs no C library.
{ lib, stdenv, debianSource, platform, kernelHeaders, compiler, binutils, flags ? [ ] }:

let
  source = debianSource "musl";
  machine = import ./machine-flags.nix { inherit lib platform; };
in
import ./c-library.nix { inherit stdenv platform kernelHeaders; } {
  pname = "musl-${platform.config}";
  inherit (source) version src;
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
  postInstall = ''
    ln -s "$out/lib/libc.so" "$dev/lib/libc.so"
    # Programs find it by its path in the store, not by musl's absolute link.
    ln -sf libc.so "$out/lib/$loader"
    $STRIP -S "$out/lib/libc.so"
  '';
  disallowedReferences = [ compiler binutils ];
  meta = {
    description = "Small C library, here for ${platform.config}";
    homepage = "https://musl.libc.org/";
    license = lib.licenses.mit;
  };
}
