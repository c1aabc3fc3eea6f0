{ lib, stdenv, debianSource, buildPackages, bc, bison, flex
, # Kconfig lines (a file): what the kernel has besides the least that can be
  # chosen. By default those of a machine in this directory.
  configuration ? null
, # Instead: a file of the kernel's own arch/*/configs, such as "multi_v5_defconfig".
  defconfig ? null
  # Device trees to make, as makefile targets.
, deviceTrees ? null
}:

let
  source = debianSource "linux";
  platform = stdenv.hostPlatform;
  known = platform.linux-kernel;
  # The machine that a platform's kernel is for, where nothing else is asked for:
  # QEMU's `virt` and one ARM board.
  machine = {
    riscv64 = { files = [ ./common.config ./riscv64-virt.config ]; };
    aarch64 = { files = [ ./common.config ./aarch64-virt.config ]; };
    armv5tel = {
      files = [ ./common.config ./sheevaplug.config ];
      deviceTrees = [ "kirkwood-sheevaplug.dtb" ];
      # U-Boot's format needs a load address; `zImage` is the same without.
      target = "zImage";
    };
  }.${platform.parsed.cpu.name} or { };
  files =
    if configuration != null then [ configuration ]
    else if defconfig != null then [ ]
    else machine.files or [ ];
  base =
    if defconfig != null then defconfig
    else if files != [ ] then "allnoconfig"
    else known.baseConfig or (throw
      "linux: no configuration is known for ${platform.config}; give one with linux.override { configuration = ./kernel.config; } or { defconfig = \"…_defconfig\"; }");
  target = machine.target or known.target or "vmlinux";
  trees = if deviceTrees != null then deviceTrees else machine.deviceTrees or [ ];
  # The kernel has no program interpreter and no libraries: the linker as it is.
  linker = buildPackages.binutils-unwrapped;
in
stdenv.mkDerivation {
  pname = "linux";
  inherit (source) version src;
  nativeBuildInputs = [ bc bison flex ];
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  inherit files;
  # Who made it, where and when is no part of it.
  KBUILD_BUILD_USER = "saltire";
  KBUILD_BUILD_HOST = "saltire";
  KBUILD_BUILD_VERSION = "1";
  KBUILD_BUILD_TIMESTAMP = "Thu Jan  1 00:00:00 UTC 1970";
  postPatch = "patchShebangs scripts";
  makeFlags = [
    "ARCH=${platform.linuxArch}"
    "CROSS_COMPILE=${stdenv.cc.targetPrefix}"
    "LD=${linker}/bin/${linker.programPrefix}ld.bfd"
    "HOSTCC=gcc"
    "HOSTCXX=g++"
  ];
  configurePhase = ''
    runHook preConfigure
    cat $files > wanted.config
    KCONFIG_ALLCONFIG=wanted.config makeCommand ${base}
    # A line that does not hold, because what it depends on is not chosen, would
    # be dropped silently.
    missing=
    while read -r line; do
      case $line in CONFIG_*) grep -qxF -e "$line" .config || missing+=" $line" ;; esac
    done < wanted.config
    if [ -n "$missing" ]; then
      die "these lines of the kernel's configuration do not hold, as they need others or do not exist:$missing"
    fi
    runHook postConfigure
  '';
  buildFlags = [ target ] ++ trees;
  installPhase = ''
    runHook preInstall
    mkdir -p "$out"
    cp .config "$out/config"
    boot=arch/${platform.linuxArch}/boot
    if [ -e "$boot/${target}" ]; then cp "$boot/${target}" "$out/"; else cp "${target}" "$out/"; fi
    for tree in ${toString trees}; do
      mkdir -p "$out/dtbs"
      cp "$boot/dts/$tree" "$out/dtbs/"
    done
    runHook postInstall
  '';
  dontStrip = true;
  dontPatchELF = true;
  passthru = {
    # The kernel's file below the output.
    inherit target;
  };
  meta = {
    description = "Linux kernel, small: ${if files == [ ] then base else lib.concatMapStringsSep " and " baseNameOf files}";
    homepage = "https://www.kernel.org/";
    license = lib.licenses.gpl2Only;
    platforms = lib.platforms.linux;
  };
}
