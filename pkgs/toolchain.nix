# Compilers, linkers and C libraries of one stage. They run on its host platform
# and make code for its target platform.
{ lib, config, seed, hostPlatform, targetPlatform, final }:

let
  wrapperArguments = {
    inherit lib hostPlatform targetPlatform;
    bootstrapTools = seed.tools;
    # Wrappers are made, as everything is, on the build machine.
    inherit (final) buildPlatform;
  };
  # Debian's programs are for the build machine only.
  onlyHere = what: value:
    if lib.systems.equals hostPlatform final.buildPlatform then value
    else throw "${what} that runs on ${hostPlatform.config} would have to be built from source, which this package set does not do yet";
in
{
  glibc = seed.libcFor hostPlatform;
  libc = final.glibc;
  # The C library that the compilers of this stage link to.
  libcCross = seed.libcFor targetPlatform;
  gccLibs = seed.gccLibsFor hostPlatform;

  binutils-unwrapped = onlyHere "a linker" (seed.binutilsFor targetPlatform);
  bintools = final.binutils;
  binutils = final.wrapBintoolsWith { bintools = final.binutils-unwrapped; };
  wrapBintoolsWith = { bintools, libc ? final.libcCross }:
    import ./stdenv/bintools-wrapper (wrapperArguments // { inherit bintools libc; });
  wrapCCWith = { cc, libc ? final.libcCross, bintools ? final.bintools, gccLibs ? seed.gccLibsFor targetPlatform }:
    import ./stdenv/cc-wrapper (wrapperArguments // { inherit cc libc bintools gccLibs; });
  wrapCC = cc: final.wrapCCWith { inherit cc; };

  gcc12-unwrapped = onlyHere "a compiler" (seed.gccFor targetPlatform "12");
  gcc11-unwrapped = onlyHere "a compiler" (seed.gccFor targetPlatform "11");
  gcc12 = final.wrapCC final.gcc12-unwrapped;
  gcc11 = final.wrapCC final.gcc11-unwrapped;
  gcc = final."gcc${toString config.gccVersion}" or (throw
    "config.gccVersion is ${toString config.gccVersion}, but there are only 11 and 12");

  bootstrapTools = seed.tools;
  inherit (seed) emulators sandboxShell;
}
