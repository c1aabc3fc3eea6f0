# A compiler with the C library, the assembler and linker and the packages that
# a build asked for.
{ lib, buildPlatform, hostPlatform, targetPlatform, bootstrapTools, cc, libc, bintools, gccLibs }:

let
  isCross = !lib.systems.equals hostPlatform targetPlatform;
  targetPrefix = lib.optionalString isCross "${targetPlatform.config}-";
  inherit (bintools) suffixSalt;
  gcc = targetPlatform.gcc;
  # What the platform's record says, as compiler options. -mfloat-abi is ARM's.
  machineFlags = lib.concatLists [
    (lib.optional (gcc ? arch) "-march=${gcc.arch}")
    (lib.optional (gcc ? cpu) "-mcpu=${gcc.cpu}")
    (lib.optional (gcc ? abi) "-mabi=${gcc.abi}")
    (lib.optional (gcc ? fpu) "-mfpu=${gcc.fpu}")
    (lib.optional (gcc ? float && targetPlatform.isAarch32) "-mfloat-abi=${gcc.float}")
    (lib.optional (gcc ? float && targetPlatform.isMips) "-m${gcc.float}-float")
    (lib.optional (gcc ? tune) "-mtune=${gcc.tune}")
  ];
  attributes = {
    pname = "${targetPrefix}gcc-wrapper";
    inherit (cc) version;
    inherit cc libc bintools targetPrefix suffixSalt gccLibs;
    isGNU = cc.isGNU or true;
    isClang = false;
    langC = true;
    langCC = cc.langCC or true;
    meta = {
      description = "GCC for ${targetPlatform.config}";
      mainProgram = "${targetPrefix}gcc";
    };
  };
in
lib.extendDerivation true attributes (derivation {
  name = "${attributes.pname}-${attributes.version}";
  system = buildPlatform.system;
  builder = "${bootstrapTools}/bin/bash";
  args = [ "-e" ./build.sh ];
  PATH = "${bootstrapTools}/bin";
  preferLocalBuild = true;
  inherit cc bintools targetPrefix suffixSalt machineFlags;
  inherit (cc) programPrefix major;
  shell = "${bootstrapTools}/bin/bash";
  sysroot = libc.dev;
  gccLibraryPath = "${gccLibs}/${gccLibs.libDir}";
  ccWrapper = ./cc-wrapper.sh;
  setupHook = ./setup-hook.sh;
})
