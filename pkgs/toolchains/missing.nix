# The toolchain of a platform for which there is none. It evaluates like any
# other; building it, or anything with it, ends with a message.
{ lib, buildPlatform, targetPlatform, bootstrapTools }:

let
  wanted = lib.concatStringsSep " and " (
    [ "a compiler" ] ++ lib.optional (targetPlatform.libc != null) "the C library '${targetPlatform.libc}'");
  reason =
    if targetPlatform.isDarwin then "Apple's libraries come with its own SDK only"
    else if targetPlatform.isAndroid then "Android's C library comes with its own NDK only"
    else if targetPlatform.isBSD || targetPlatform.isRedox then "the system's own C library and headers are not in Debian's archive"
    else if targetPlatform.isWindows then "Debian's MinGW-w64 is made for msvcrt"
    else if targetPlatform.isLinux && targetPlatform.prebuilt == null then "the seed has no kernel headers for it"
    else if targetPlatform.isJavaScript then "JavaScript comes from GHC, and no C compiler has a part in it"
    else if targetPlatform.isMmix then "GCC's and newlib's port is for Knuth's simulator, which is not in Debian's archive"
    else if targetPlatform.isNone then "GCC 12 or newlib 3.3 does not know the processor"
    else "the seed has none for this build machine";
  message = "there is no toolchain for ${targetPlatform.config}: ${wanted} would be needed, which this package set neither has prebuilt on ${buildPlatform.config} nor builds from source (${reason}). `saltire platforms` lists the platforms that have one; a toolchain of your own goes into an overlay as `gcc` and `binutils`.";
in
lib.extendDerivation true
  {
    version = "none";
    programPrefix = "${targetPlatform.config}-";
    programSuffix = "";
    isGNU = true;
    langC = true;
    langCC = true;
    inherit reason;
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
