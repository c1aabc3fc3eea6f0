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
in
if crossSystem == null || lib.systems.equals cross local
then stages.native
else stages.crossTo cross
