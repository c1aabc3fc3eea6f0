# The package set: programs, built for any platform from any other.
#
#   import ./pkgs { }                                       for this machine
#   import ./pkgs { crossSystem = "riscv64-linux"; }        for another one
#   (import ./pkgs { }).pkgsCross.riscv64                   the same
#
# The interface is that of nixpkgs. `localSystem` is the build platform,
# `crossSystem` the host platform where that is another one; both are anything
# that lib.systems.elaborate understands. `overlays` are functions
# `final: prev: { … }` that change every stage, `crossOverlays` change only the
# packages that run on `crossSystem`.
{ system ? builtins.currentSystem
, localSystem ? { inherit system; }
, crossSystem ? null
, overlays ? [ ]
, crossOverlays ? [ ]
, config ? { }
}:

let
  lib = import ./lib;
  local = lib.systems.elaborate localSystem;
  stages = import ./stages.nix {
    inherit lib overlays crossOverlays;
    localPlatform = local;
    config = import ./config.nix { inherit lib config; };
    # The same set for other platforms, for `pkgsCross` and the like.
    reimport = arguments: import ./. ({
      inherit localSystem crossSystem overlays crossOverlays config;
    } // arguments);
  };
  cross = lib.systems.elaborate crossSystem;

  # The form of the first cross-compilation work in nixpkgs, with facts that are
  # inferred nowadays. Attributes of its package set are native packages, and each
  # has the cross-built one as `hostDrv`.
  isOldForm = builtins.isAttrs crossSystem
    && !(crossSystem ? parsed)
    && builtins.any (name: crossSystem ? ${name}) [ "bigEndian" "withTLS" "arch" "platform" ];
in
if crossSystem == null || lib.systems.equals cross local
then stages.native
else if isOldForm then
  builtins.trace
    "note: crossSystem is in its old form, so `bison` is the native package and `bison.hostDrv` the one for ${cross.config}. With crossSystem = { config = \"${cross.config}\"; } `bison` is the cross-built one itself."
    (stages.nativeWithHostDrv cross)
else stages.crossTo cross
