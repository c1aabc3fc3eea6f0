# A compiler with the C library, the assembler and linker and the packages that
# a build asked for.
#
# `cc` says how its programs are called: programPrefix and programSuffix around
# the names in `drivers`, by default those of GCC. `machineFlags` are options that
# it needs always, `linkFlags` options for the linker.
{ lib, buildPlatform, hostPlatform, targetPlatform, bootstrapTools, shell, cc, libc, bintools, gccLibs
, stage ? "final"
}:

let
  isCross = !lib.systems.equals hostPlatform targetPlatform;
  targetPrefix = lib.optionalString isCross "${targetPlatform.config}-";
  inherit (bintools) suffixSalt;
  kind = if cc.isClang or false then "clang" else "gcc";
  drivers = cc.drivers or { c = "gcc"; cxx = "g++"; cpp = "cpp"; };
  machineFlags = import ../../toolchains/machine-flags.nix { inherit lib; platform = targetPlatform; }
    ++ cc.machineFlags or [ ];
  attributes = {
    # The name that a cross compiler's last stage has always had.
    pname = "${targetPrefix}${lib.optionalString isCross "stage-${stage}-"}${kind}-wrapper";
    inherit (cc) version;
    inherit cc libc bintools targetPrefix suffixSalt gccLibs;
    isGNU = kind == "gcc";
    isClang = kind == "clang";
    langC = true;
    langCC = cc.langCC or true;
    meta = {
      description = "${if kind == "gcc" then "GCC" else "Clang"} for ${targetPlatform.config}";
      mainProgram = "${targetPrefix}${drivers.c}";
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
  inherit cc bintools targetPrefix suffixSalt machineFlags kind;
  inherit (cc) programPrefix programSuffix;
  inherit (drivers) c cpp;
  cxx = if cc.langCC or true then drivers.cxx else "";
  inherit shell;
  # Absent where the compiler's own tree holds its C library.
  sysroot = libc.dev or "";
  gccLibraryPath = if gccLibs == null then "" else "${gccLibs}/${gccLibs.libDir}";
  alwaysStatic = if targetPlatform.isStatic && targetPlatform.isLinux then "-static" else "";
  cargoTarget = lib.toUpper (lib.replaceStrings [ "-" "." ] [ "_" "_" ] targetPlatform.rust.rustcTarget);
  rustTarget = targetPlatform.rust.rustcTarget;
  # GOOS=… GOARCH=… and, on 32-bit ARM, GOARM=…
  goVariables = lib.mapAttrsToList (name: value: "${name}=${toString value}")
    (lib.filterAttrs (name: value: value != null) targetPlatform.go);
  ccWrapper = ./cc-wrapper.sh;
  setupHook = ./setup-hook.sh;
})
