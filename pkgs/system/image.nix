# What is built of it: the system, an image of its root file system, and a script
# that boots the image in QEMU.
{ lib, config, pkgs, ... }:

let
  inherit (lib) mkOption types;
  inherit (pkgs) runCommand;
  host = pkgs.stdenv.hostPlatform;
  outside = config.virtualisation.host.pkgs;
  kernel = config.boot.kernelPackages.kernel;
  name = config.networking.hostName;

  # QEMU's machine for a CPU, and what its serial console is called.
  machine = {
    riscv64 = { program = "qemu-system-riscv64"; options = "-machine virt"; console = "ttyS0"; };
    aarch64 = { program = "qemu-system-aarch64"; options = "-machine virt -cpu cortex-a57"; console = "ttyAMA0"; };
    armv7l = { program = "qemu-system-arm"; options = "-machine virt"; console = "ttyAMA0"; };
  }.${host.parsed.cpu.name} or null;

  # Programs of all packages, in one directory.
  programs = runCommand "system-programs" { packages = config.environment.systemPackages; } ''
    mkdir -p "$out/bin"
    for package in $packages; do
      for program in "$package"/{bin,sbin,usr/bin,usr/sbin}/*; do
        if [ ! -e "$out/bin/''${program##*/}" ]; then ln -s "$program" "$out/bin/"; fi
      done
    done
  '';

  files = lib.mapAttrsToList
    (path: file: {
      inherit path;
      inherit (file) mode;
      content =
        if file.source != null then file.source
        else pkgs.writeText (lib.sanitizeDerivationName (baseNameOf path)) ((if file.text == null then "" else file.text) + "\n");
    })
    config.environment.etc;
  etc = runCommand "etc" { } (''
    mkdir "$out"
    ln -s /run/resolv.conf "$out/resolv.conf"
  '' + lib.concatMapStrings
    (file: ''
      install -D -m ${file.mode} ${file.content} "$out"/${lib.escapeShellArg file.path}
    '')
    files);

  # Directories of the root file system that have contents, without the store.
  root = runCommand "root" { } (''
    mkdir -p "$out"/{dev,proc,sys,run,tmp,var,mnt,usr,root,nix/store}
    cp -r ${etc} "$out/etc"
    chmod u+w "$out/etc"
    ln -s ${programs}/bin "$out/bin"
    ln -s bin "$out/sbin"
    ln -s ../bin "$out/usr/bin"
    ln -s ../bin "$out/usr/sbin"
    ln -s bin/init "$out/init"
  '' + lib.concatStrings (lib.mapAttrsToList
    (user: u: lib.optionalString (u.openssh.authorizedKeys.keys != [ ]) ''
      mkdir -p -m 700 "$out${u.home}/.ssh"
      cp ${pkgs.writeText "authorized-keys" (lib.concatLines u.openssh.authorizedKeys.keys)} "$out${u.home}/.ssh/authorized_keys"
    '')
    config.users.users));

  toplevel = runCommand "nixos-system-${name}"
    {
      passthru = { inherit kernel root; };
      parameters = toString config.boot.kernelParams;
    } ''
    mkdir "$out"
    ln -s ${kernel}/${kernel.target} "$out/kernel"
    if [ -e ${kernel}/dtbs ]; then ln -s ${kernel}/dtbs "$out/dtbs"; fi
    printf %s "$parameters" > "$out/kernel-params"
    ln -s ${root} "$out/root"
    ln -s ${root}/init "$out/init"
    ln -s ${root}/etc "$out/etc"
    ln -s ${programs} "$out/sw"
    printf %s ${host.system} > "$out/system"
  '';

  # The root file system with all that it refers to: read-only, every file root's,
  # no dates. The kernel is beside it, for the boot loader.
  image = runCommand "image-${name}"
    {
      nativeBuildInputs = [ pkgs.buildPackages.squashfs-tools ];
      exportReferencesGraph = [ "closure" root ];
    } ''
    mkdir tree
    cp -r ${root}/. tree/
    chmod u+w tree tree/nix tree/nix/store
    for path in $(grep '^/nix/store/' closure | sort -u); do
      if [ "$path" != ${root} ]; then cp -r "$path" tree/nix/store/; fi
    done
    chmod -R u+w tree
    chmod 600 tree/etc/shadow
    mkdir "$out"
    # SOURCE_DATE_EPOCH is the date of everything.
    mksquashfs tree "$out/root.squashfs" -all-root -noappend -comp xz -no-progress -quiet -processors 1
    cp ${kernel}/${kernel.target} "$out/kernel"
    if [ -e ${kernel}/dtbs ]; then cp -r ${kernel}/dtbs "$out/dtbs"; fi
    printf '%s\n' ${lib.escapeShellArg (toString config.boot.kernelParams)} > "$out/kernel-params"
  '';

  vm =
    if machine == null then throw "QEMU has no machine that is known to boot a system for ${host.config}"
    else outside.writeShellScriptBin "run-${name}-vm" ''
      exec ${outside.qemu-system}/bin/${machine.program} ${machine.options} \
        -m ''${MEMORY:-256} -nographic -no-reboot \
        -kernel ${image}/kernel -append ${lib.escapeShellArg (toString config.boot.kernelParams)} \
        -drive file=${image}/root.squashfs,format=raw,if=none,id=root,readonly=on -device virtio-blk-device,drive=root \
        -netdev user,id=net''${FORWARD:+,hostfwd=tcp:127.0.0.1:$FORWARD-:${toString config.services.dropbear.port}} -device virtio-net-device,netdev=net \
        -object rng-random,filename=/dev/urandom,id=rng -device virtio-rng-device,rng=rng "$@"
    '';
in
{
  options.virtualisation.host.pkgs = mkOption {
    type = types.raw;
    default = pkgs.buildPackages;
    description = "The package set for the machine that QEMU runs on.";
  };

  config = {
    boot.kernelParams = [ "root=/dev/vda" "ro" "init=/init" "panic=1" ]
      ++ lib.optional (machine != null) "console=${machine.console}";
    system.build = { inherit toplevel image vm kernel; };
  };
}
