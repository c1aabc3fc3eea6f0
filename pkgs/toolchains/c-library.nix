# What C libraries from source have in common: the attributes of a derivation that
# installs a C library into `out`, completed. `out` becomes what programs need when
# they run, `dev` the compiler's sysroot.
{ stdenv, platform, kernelHeaders }: attributes:

let
  loader = baseNameOf (if platform.dynamicLinker == null then "ld.so.1" else platform.dynamicLinker);
  package = stdenv.mkDerivation (attributes // {
    outputs = [ "out" "dev" ];
    # What it is for another machine, the build's own tools don't know, and its parts
    # lie where compilers look.
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
      loader=${loader}
      ${attributes.postInstall}
      cp -rn ${kernelHeaders}/include/. "$dev/include/"
      ln -s . "$dev/usr"
    '';
  });
in
package // {
  libDir = "lib";
  dynamicLinker = "${package}/lib/${loader}";
  libraryPath = "${package}/lib";
}
