# A small operating system out of modules: BusyBox, a kernel and an SSH server, with
# NixOS's names of options where it has them (docs/images.md).
#
#   nixosSystem { system = "x86_64-linux"; modules = [ { nixpkgs.crossSystem.system = "riscv64-linux"; } ]; }
#   →  config.system.build.toplevel, .image, .vm
{ lib }:

{ system ? null, modules ? [ ], specialArgs ? { }, pkgs ? null }:

let
  evaluated = lib.evalModules {
    inherit specialArgs;
    modules = [
      ./nixpkgs.nix
      ./base.nix
      ./network.nix
      ./image.nix
      {
        _file = "the arguments of nixosSystem";
        nixpkgs = lib.optionalAttrs (system != null) { system = lib.mkDefault system; }
          // lib.optionalAttrs (pkgs != null) { inherit pkgs; };
      }
    ] ++ modules;
  };
in
{
  inherit (evaluated) config options;
  inherit (evaluated.config.nixpkgs) pkgs;
}
