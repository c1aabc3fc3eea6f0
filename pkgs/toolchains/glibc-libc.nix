# glibc from source for a platform, compiled with a compiler that needs no C
# library. `out` is what programs need when they run, `dev` the compiler's sysroot.
{ lib, stdenv, debianSource, bison, python3, platform, kernelHeaders, compiler, binutils }:

let
  source = debianSource "glibc";
  loader = baseNameOf platform.dynamicLinker;
  package = stdenv.mkDerivation {
    pname = "glibc-${platform.config}";
    inherit (source) version src;
    outputs = [ "out" "dev" ];
    nativeBuildInputs = [ bison python3 compiler binutils ];
    postUnpack = ''mkdir -p "$NIX_BUILD_TOP/build"'';
    preConfigure = ''
      configureScript=$PWD/configure
      cd "$NIX_BUILD_TOP/build"
      # Debian's libraries lie in lib, whatever the word size.
      printf 'slibdir=%s/lib\nrtlddir=%s/lib\nlibdir=%s/lib\n' "$out" "$out" "$out" > configparms
      unset NIX_CFLAGS_COMPILE NIX_LDFLAGS
      export CC="${compiler.targetPrefix}gcc" BUILD_CC=gcc
    '';
    configureFlags = [
      "--host=${platform.config}" "--build=${stdenv.buildPlatform.config}"
      "--with-headers=${kernelHeaders}/include" "--with-binutils=${binutils}/bin"
      "--disable-werror" "--disable-nscd" "--disable-build-nscd" "--disable-profile" "--enable-kernel=4.19"
      "--without-selinux" "--sysconfdir=/etc" "libc_cv_slibdir=${placeholder "out"}/lib"
      "libc_cv_rtlddir=${placeholder "out"}/lib"
    ];
    makeFlags = [ "MAKEINFO=true" ];
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
      for file in "$out"/lib/*.so; do
        case ''${file##*/} in
          ${loader}) ;;
          *) mv "$file" "$dev/lib/" ;;
        esac
      done
      # Linker scripts with bare names: the linker looks below the sysroot.
      sed -i "s|$out/lib/||g" "$dev"/lib/libc.so "$dev"/lib/libm.so 2> /dev/null || true
      for file in "$out"/lib/*.so.*; do ln -sf "$file" "$dev/lib/"; done
      rm -rf "$out/bin" "$out/sbin" "$out/var" "$out/share" "$out/etc" "$out/libexec"
      cp -rn ${kernelHeaders}/include/. "$dev/include/"
      ln -s . "$dev/usr"
    '';
    meta = {
      description = "GNU C library for ${platform.config}";
      homepage = "https://www.gnu.org/software/libc/";
      license = lib.licenses.lgpl21Plus or lib.licenses.gpl3Plus;
    };
  };
in
package // {
  libDir = "lib";
  dynamicLinker = "${package}/lib/${loader}";
  libraryPath = "${package}/lib";
}
