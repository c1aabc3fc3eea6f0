# The package set as a flake: what `inputs.nixpkgs` can be.
{
  description = "Saltire's package set";

  outputs = { self }:
    let
      lib = import ./lib;
      # Those of the last line have no packages of Debian's: what builds there is cross-built.
      systems = [
        "x86_64-linux" "aarch64-linux"
        "riscv64-linux"
      ];
    in
    {
      lib = lib // { nixosSystem = import ./system { inherit lib; }; };
      legacyPackages = lib.genAttrs systems (system: import ./. { localSystem = system; });
    };
}
