# glibc from source for a platform, compiled with a compiler that needs no C library.
{ lib, stdenv, debianSource, bison, python3, platform, kernelHeaders, compiler, binutils }:

let source = debianSource "glibc";
in
import ./c-library.nix { inherit stdenv platform kernelHeaders; } {
  pname = "glibc-${platform.config}";
  inherit (source) version src;
  nativeBuildInputs = [ bison python3 compiler binutils ];
  preConfigure = ''
    # Debian's source has no manual.
    sed -i 's/ manual / /' Makeconfig
    mkdir -p "$NIX_BUILD_TOP/build"
    configureScript=$PWD/configure
    cd "$NIX_BUILD_TOP/build"
    # Debian's libraries lie in lib, whatever the word size.
    printf 'slibdir=%s/lib\nrtlddir=%s/lib\nlibdir=%s/lib\n' "$out" "$out" "$out" > configparms
    # The build machine's tools are for programs that run while building.
    unset NIX_CFLAGS_COMPILE NIX_LDFLAGS CPP CXX AR AS LD NM OBJCOPY OBJDUMP RANLIB READELF SIZE STRINGS STRIP
    export CC="${compiler.targetPrefix}gcc -B${binutils}/${binutils.toolDirectory}/" BUILD_CC=gcc
  '';
  configurePlatforms = [ ];
  configureFlags = [
    "--host=${platform.config}" "--build=${stdenv.buildPlatform.config}"
    "--with-headers=${kernelHeaders}/include" "--with-binutils=${binutils}/${binutils.toolDirectory}"
    "CFLAGS=-O2" "--disable-werror" "--disable-nscd" "--disable-build-nscd" "--disable-profile" "--enable-kernel=4.19"
    "--without-selinux" "--sysconfdir=/etc" "libc_cv_slibdir=${placeholder "out"}/lib"
    "libc_cv_rtlddir=${placeholder "out"}/lib"
  ];
  makeFlags = [ "MAKEINFO=true" ];
  installFlags = [ "sysconfdir=${placeholder "out"}/etc" ];
  postInstall = ''
    for file in "$out"/lib/*.so; do mv "$file" "$dev/lib/"; done
    for file in "$out"/lib/*.so.*; do ln -s "$file" "$dev/lib/"; done
    # Linker scripts with bare names: the linker looks below the sysroot.
    sed -i "s|$out/lib/||g" $(grep -l 'GNU ld script' "$dev"/lib/*.so)
    if [ ! -e "$out/lib/$loader" ]; then die "glibc installed no $loader"; fi
    rm -rf "$out/bin" "$out/sbin" "$out/var" "$out/share" "$out/etc" "$out/libexec"
  '';
  meta = {
    description = "GNU C library for ${platform.config}";
    homepage = "https://www.gnu.org/software/libc/";
    license = lib.licenses.lgpl21Plus;
  };
}
