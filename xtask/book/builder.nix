{
  description = "The building machine, which emulates the others";

  inputs = {
    nixpkgs.url = "github:nixos/nixpkgs/nixos-23.11";
  };

  outputs = inputs@{ self, nixpkgs, ... }: {
    nixosConfigurations.lp4a = nixpkgs.lib.nixosSystem {
      system = "x86_64-linux";
      modules = [
        ({ ... }:
        {
          # ......

          # Enable binfmt emulation.
          boot.binfmt.emulatedSystems = [ "aarch64-linux" "riscv64-linux" ];

          # ......
        })
        ./machine.nix
      ];
    };
  };
}
