# What every system has: files, users, programs, and what is started.
{ lib, config, pkgs, ... }:

let
  inherit (lib) mkOption types;
  users = config.users.users;
  root = users.root;

  etcFile = {
    options.text = mkOption { type = types.nullOr types.lines; default = null; description = "Its contents."; };
    options.source = mkOption { type = types.nullOr types.path; default = null; description = "A file with its contents."; };
    options.mode = mkOption { type = types.str; default = "0644"; description = "Permissions."; };
  };
  user = { name, ... }: {
    options = {
      uid = mkOption { type = types.int; description = "Number; 0 for root."; };
      home = mkOption { type = types.str; default = "/home/${name}"; description = "Home directory."; };
      shell = mkOption { type = types.str; default = "/bin/sh"; description = "What a login starts."; };
      initialHashedPassword = mkOption { type = types.str; default = "*"; description = "As crypt(3) makes it; \"\" lets in without a password, \"*\" nobody."; };
      openssh.authorizedKeys.keys = mkOption { type = types.listOf types.str; default = [ ]; description = "Public keys that may log in over the network."; };
    };
  };
  lines = list: lib.concatMapStrings (line: line + "\n") list;
in
{
  options = {
    networking.hostName = mkOption { type = types.str; default = "saltire"; description = "Name of the machine."; };
    environment.systemPackages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages whose programs are in PATH."; };
    environment.etc = mkOption { type = types.attrsOf (types.submodule etcFile); default = { }; description = "Files below /etc."; };
    users.users = mkOption { type = types.attrsOf (types.submodule user); default = { }; description = "Who can log in."; };
    boot.kernelPackages = mkOption { type = types.raw; default = { kernel = pkgs.linux; }; description = "A set with the `kernel`."; };
    boot.kernelParams = mkOption { type = types.listOf types.str; default = [ ]; description = "The kernel's command line."; };
    boot.postBootCommands = mkOption { type = types.lines; default = ""; description = "Shell commands that are run when all else is up."; };
    system.startCommands = mkOption { type = types.lines; default = ""; description = "Shell commands that services add to the start."; };
    system.stateVersion = mkOption { type = types.nullOr types.str; default = null; description = "Accepted; nothing depends on it."; };
    system.build = mkOption { type = types.attrsOf types.raw; default = { }; description = "What can be built."; };
  };

  config = {
    users.users.root = { uid = 0; home = "/root"; initialHashedPassword = lib.mkDefault ""; };
    environment.systemPackages = [ pkgs.busybox ];
    environment.etc = {
      hostname.text = config.networking.hostName;
      hosts.text = "127.0.0.1 localhost ${config.networking.hostName}";
      passwd.text = lines (lib.mapAttrsToList (name: u: "${name}:x:${toString u.uid}:${toString u.uid}:${name}:${u.home}:${u.shell}") users);
      group.text = lines (lib.mapAttrsToList (name: u: "${name}:x:${toString u.uid}:") users);
      shadow = {
        text = lines (lib.mapAttrsToList (name: u: "${name}:${u.initialHashedPassword}:1::::::") users);
        mode = "0600";
      };
      shells.text = "/bin/sh";
      "nsswitch.conf".text = "passwd: files\ngroup: files\nhosts: files dns";
      profile.text = "export PATH=/bin";
      # BusyBox's init: one line for what is done at the start, one for who may log in.
      inittab.text = ''
        ::sysinit:/etc/rc
        ::respawn:/bin/getty -L console 115200 vt100
        ::ctrlaltdel:/bin/reboot
        ::shutdown:/bin/umount -a -r
      '';
      rc = {
        mode = "0755";
        text = ''
          #!/bin/sh
          export PATH=/bin
          mount -t proc proc /proc
          mount -t sysfs sysfs /sys
          for directory in run tmp var; do mount -t tmpfs -o mode=755 tmpfs /$directory; done
          chmod 1777 /tmp
          mkdir -p /dev/pts /dev/shm /var/log /var/empty
          mount -t devpts devpts /dev/pts
          mount -t tmpfs -o mode=1777 tmpfs /dev/shm
          hostname -F /etc/hostname
          ${config.system.startCommands}
          ${config.boot.postBootCommands}
        '';
      };
    };
  };
}
