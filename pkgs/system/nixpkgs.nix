# Which package set the system is made of.
{ lib, config, ... }:

let
  inherit (lib) mkOption types;
  cfg = config.nixpkgs;
  given = if cfg.hostPlatform != null then cfg.hostPlatform else cfg.crossSystem;
  local =
    if cfg.buildPlatform != null then cfg.buildPlatform
    else if cfg.localSystem != null then cfg.localSystem
    else if cfg.hostPlatform != null && cfg.system == null then cfg.hostPlatform
    else if cfg.system != null then cfg.system
    else throw "say for which machine the system is: nixosSystem { system = \"riscv64-linux\"; … }";
in
{
  options.nixpkgs = {
    system = mkOption { type = types.nullOr types.str; default = null; description = "The build platform, and the host platform unless crossSystem is another one."; };
    localSystem = mkOption { type = types.nullOr types.raw; default = null; description = "The same, as any form of a platform."; };
    crossSystem = mkOption { type = types.nullOr types.anything; default = null; description = "The host platform, cross-built for."; };
    buildPlatform = mkOption { type = types.nullOr types.raw; default = null; description = "localSystem's newer name."; };
    hostPlatform = mkOption { type = types.nullOr types.raw; default = null; description = "crossSystem's newer name."; };
    overlays = mkOption { type = types.listOf types.raw; default = [ ]; description = "Changes to all packages."; };
    config = mkOption { type = types.anything; default = { }; description = "Options of the package set."; };
    pkgs = mkOption { type = types.raw; description = "The package set."; };
  };

  options.boot.binfmt.emulatedSystems = mkOption {
    type = types.listOf types.str;
    default = [ ];
    description = "Systems whose programs are to be emulated. Saltire emulates every system that it knows for each build, so this changes nothing.";
    apply = map (name: (lib.systems.elaborate name).system);
  };

  config = {
    _module.args.pkgs = cfg.pkgs;
    nixpkgs.pkgs = lib.mkDefault
      (import ../. { localSystem = local; crossSystem = given; inherit (cfg) overlays config; });
  };
}
