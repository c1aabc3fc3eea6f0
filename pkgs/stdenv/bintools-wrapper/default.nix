# The assembler, linker and object tools for one platform, under the names and
# with the defaults that builds expect: `<triple>-ld` and so on, where ld sets
# the program interpreter and the run-time library path to paths in the store.
{ lib, buildPlatform, hostPlatform, targetPlatform, bootstrapTools, shell, bintools, libc }:

let
  isCross = !lib.systems.equals hostPlatform targetPlatform;
  targetPrefix = lib.optionalString isCross "${targetPlatform.config}-";
  suffixSalt = lib.replaceStrings [ "-" "." ] [ "_" "_" ] targetPlatform.config;
  attributes = {
    pname = "${targetPrefix}binutils-wrapper";
    inherit (bintools) version;
    inherit bintools libc targetPrefix suffixSalt;
    isGNU = true;
    meta.description = "Assembler, linker and object tools for ${targetPlatform.config}";
  };
in
lib.extendDerivation true attributes (derivation {
  name = "${attributes.pname}-${attributes.version}";
  system = buildPlatform.system;
  builder = "${bootstrapTools}/bin/bash";
  args = [ "-e" ./build.sh ];
  PATH = "${bootstrapTools}/bin";
  preferLocalBuild = true;
  inherit bintools targetPrefix suffixSalt;
  inherit (bintools) programPrefix;
  inherit shell;
  linker = bintools.linker or "ld.bfd";
  # Empty where programs are linked statically only, or the compiler's own tree
  # holds its C library.
  dynamicLinker = libc.dynamicLinker or "";
  libraryPath = libc.libraryPath or "";
  sysroot = libc.dev or "";
  ldWrapper = ./ld-wrapper.sh;
  setupHook = ./setup-hook.sh;
})
