# The network, by DHCP, and an SSH server that lets keys in, not passwords.
{ lib, config, pkgs, ... }:

let
  inherit (lib) mkOption types mkIf;
  ssh = config.services.dropbear;
  hostKey = "/run/dropbear/host_key";
in
{
  options = {
    networking.useDHCP = mkOption { type = types.bool; default = true; description = "Whether eth0 asks for an address."; };
    services.dropbear.enable = mkOption { type = types.bool; default = true; description = "Whether to have an SSH server."; };
    services.dropbear.port = mkOption { type = types.port; default = 22; description = "Where it listens."; };
  };

  config = lib.mkMerge [
    { system.startCommands = "ifconfig lo 127.0.0.1 up"; }
    (mkIf config.networking.useDHCP {
      system.startCommands = "if [ -e /sys/class/net/eth0 ]; then ifconfig eth0 up; udhcpc -b -q -i eth0 -s /etc/udhcpc.script > /dev/null 2>&1 & fi";
      environment.etc."udhcpc.script" = {
        mode = "0755";
        text = ''
          #!/bin/sh
          case $1 in
            bound | renew)
              ifconfig "$interface" "$ip" netmask "$subnet"
              for address in $router; do route add default gw "$address" dev "$interface"; done
              for address in $dns; do echo "nameserver $address"; done > /run/resolv.conf ;;
          esac
        '';
      };
    })
    (mkIf ssh.enable {
      environment.systemPackages = [ pkgs.dropbear ];
      # The image holds no secrets: each start makes a key of its own.
      system.startCommands = ''
        mkdir -p /run/dropbear
        (dropbearkey -t ed25519 -f ${hostKey} > /dev/null 2>&1; dropbear -r ${hostKey} -p ${toString ssh.port}) &
      '';
    })
  ];
}
