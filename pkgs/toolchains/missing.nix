# The toolchain of a platform for which there is none. It evaluates like any
# other; building it, or anything with it, ends with a message.
{ lib, buildPlatform, targetPlatform, bootstrapTools }:

let
  wanted = lib.concatStringsSep " and " (
    [ "a compiler" ] ++ lib.optional (targetPlatform.libc != null) "the C library '${targetPlatform.libc}'");
  message = "there is no toolchain for ${targetPlatform.config}: ${wanted} would be needed, which this package set neither has prebuilt on ${buildPlatform.config} nor builds from source. `saltire platforms` lists the platforms that have one; a toolchain of your own goes into an overlay as `gcc` and `binutils`.";
in
lib.extendDerivation true
  {
    version = "none";
    programPrefix = "${targetPlatform.config}-";
    programSuffix = "";
    isGNU = true;
    langC = true;
    langCC = true;
    meta.description = "Says that there is no toolchain for ${targetPlatform.config}";
  }
  (derivation {
    name = "no-toolchain-for-${targetPlatform.config}";
    system = buildPlatform.system;
    builder = "${bootstrapTools}/bin/bash";
    args = [ "-c" ''printf 'error: %s\n' "$message" >&2; exit 1'' ];
    inherit message;
    preferLocalBuild = true;
  })
