# Compilers, linkers and C libraries of one stage. They run on its host platform
# and make code for its target platform.
#
# Where they come from is decided once for each target (`kindFor`): the seed's
# prebuilt ones where it has any, else sources in the wiki's order
# (toolchains/source.nix). A target for which there are neither evaluates all the
# same: its compiler is a derivation that says what is missing when it is built.
{ lib, config, seed, hostPlatform, targetPlatform, final }:

let
  wrapperArguments = {
    inherit lib hostPlatform targetPlatform;
    bootstrapTools = seed.tools;
    # Wrappers are made, as everything is, on the build machine, and are scripts that
    # run where the compiler does.
    inherit (final) buildPlatform;
    shell = if runsHere then "${seed.tools}/bin/bash" else "${final.bash}/bin/bash";
  };
  isNative = runsHere && lib.systems.equals hostPlatform targetPlatform;
  runsHere = lib.systems.equals hostPlatform final.buildPlatform;

  source = import ./toolchains/source.nix { inherit lib config seed hostPlatform targetPlatform final; };
  otherLibc = import ./toolchains/other-libc.nix { inherit lib seed final; };
  other = import ./toolchains/prebuilt.nix { inherit lib seed targetPlatform; };
  missing = import ./toolchains/missing.nix { inherit lib targetPlatform; inherit (final) buildPlatform; bootstrapTools = seed.tools; };

  # What makes code for a platform: the kind of a prebuilt toolchain, "source",
  # or "missing".
  kindFor = platform: major:
    let
      inherit (platform) prebuilt;
      hasPrebuilt = prebuilt != null && prebuilt.kind != "headers" && runsHere
        # Debian's libraries of MIPS need a floating-point unit.
        && !(platform.isMips && platform.gcc.float or "hard" == "soft")
        && (if builtins.elem prebuilt.kind [ "glibc" "musl" "uclibc" ] then seed.hasGcc platform major else seed.exists);
    in
    # The build machine's own compiler has to come from somewhere.
    if hasPrebuilt && (config.toolchain != "source" || isNative) then prebuilt.kind
    else if config.toolchain != "prebuilt" && source.supports platform then "source"
    else "missing";
  kind = kindFor targetPlatform (toString config.gccVersion);

  # The unwrapped compiler of a version.
  compiler = major: {
    glibc = seed.gccFor targetPlatform major;
    musl = otherLibc.compilerOf (seed.gccFor targetPlatform major) targetPlatform;
    uclibc = otherLibc.compilerOf (seed.gccFor targetPlatform major) targetPlatform;
    source = source.gcc major;
    inherit missing;
  }.${kindFor targetPlatform major} or other.compiler;

  gccLibsFor = kind: {
    glibc = seed.gccLibsFor targetPlatform;
    source = source.gccLibs (toString config.gccVersion);
  }.${kind} or null;

  # Compilers of a version of their own come with libraries of their own.
  wrapVersion = major:
    let kindOfMajor = kindFor targetPlatform major;
    in
    final.wrapCCWith {
      cc = final."gcc${major}-unwrapped";
      gccLibs =
        if kindOfMajor == "source" then source.gccLibs major
        else gccLibsFor kindOfMajor;
      libc =
        if kindOfMajor == kind then final.libcCross
        else source.libcFor targetPlatform;
      bintools =
        if kindOfMajor == "source" && kind != "source"
        then final.wrapBintoolsWith { bintools = source.binutils; libc = source.libcFor targetPlatform; }
        else final.bintools;
    };
in
source.stages
// {
  # What this stage's own programs run with comes with the compiler that made them.
  libc = final.pkgsBuildHost.libcCross;
  gccLibs = final.pkgsBuildHost.gccLibsCross;
  # What the programs run with that the compilers of this stage make.
  libcCross =
    if !runsHere then final.libc
    else {
      glibc = seed.libcFor targetPlatform;
      musl = otherLibc.libcFor targetPlatform;
      uclibc = otherLibc.libcFor targetPlatform;
      source = source.libcFor targetPlatform;
      inherit missing;
    }.${kind} or { };
  gccLibsCross = gccLibsFor kind;

  binutils-unwrapped = {
    glibc = seed.binutilsFor targetPlatform;
    musl = seed.binutilsFor targetPlatform;
    uclibc = seed.binutilsFor targetPlatform;
    source = source.binutils;
    inherit missing;
  }.${kind} or other.binutils;
  bintools = final.binutils;
  binutils = final.wrapBintoolsWith { bintools = final.binutils-unwrapped; };
  wrapBintoolsWith = { bintools, libc ? final.libcCross }:
    import ./stdenv/bintools-wrapper (wrapperArguments // { inherit bintools libc; });
  wrapCCWith =
    { cc, libc ? final.libcCross, bintools ? final.bintools
    , gccLibs ? gccLibsFor kind, stage ? "final"
    }:
    import ./stdenv/cc-wrapper (wrapperArguments // { inherit cc libc bintools gccLibs stage; });
  wrapCC = cc: final.wrapCCWith { inherit cc; };

  gcc12-unwrapped = compiler "12";
  gcc11-unwrapped = compiler "11";
  gcc12 = wrapVersion "12";
  gcc11 = wrapVersion "11";
  gcc-unwrapped = final."gcc${toString config.gccVersion}-unwrapped";
  gcc = final."gcc${toString config.gccVersion}" or (throw
    "config.gccVersion is ${toString config.gccVersion}, but there are only 11 and 12");

  # Whether a toolchain's programs can be had, for lists of what can be built, and
  # why not.
  toolchainKind = kind;
  toolchainMissing = if kind == "missing" then missing.reason else null;

  bootstrapTools = seed.tools;
  inherit (seed) emulators allEmulators sandboxShell;
}
// lib.optionalAttrs hostPlatform.isGnu { glibc = final.libc; }
// lib.optionalAttrs hostPlatform.isMusl { musl = final.libc; }
