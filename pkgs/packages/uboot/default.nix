{ lib, stdenv, debianSource, buildPackages, bc, bison, flex, openssl-prebuilt, python3
, # Which board, as in U-Boot's configs directory, and the files that are its result.
  defconfig ? null, files ? null
}:

let
  source = debianSource "u-boot";
  platform = stdenv.hostPlatform;
  # One board for each platform, where nothing else is asked for.
  boards = {
    armv5tel = { defconfig = "sheevaplug_defconfig"; files = [ "u-boot.kwb" "u-boot.bin" "u-boot" ]; };
    aarch64 = { defconfig = "qemu_arm64_defconfig"; files = [ "u-boot.bin" "u-boot" ]; };
    armv7l = { defconfig = "qemu_arm_defconfig"; files = [ "u-boot.bin" "u-boot" ]; };
    riscv64 = { defconfig = "qemu-riscv64_defconfig"; files = [ "u-boot.bin" "u-boot" ]; };
  };
  known = boards.${platform.parsed.cpu.name} or (throw
    "uboot: no board is known for ${platform.config}; say which with uboot.override { defconfig = \"…_defconfig\"; files = [ \"u-boot.bin\" ]; }");
  board = if defconfig != null then { inherit defconfig; files = if files == null then [ "u-boot.bin" ] else files; } else known;
  # Firmware has no program interpreter and no libraries: the linker as it is.
  linker = buildPackages.binutils-unwrapped;
in
stdenv.mkDerivation {
  pname = "uboot-${lib.removeSuffix "_defconfig" board.defconfig}";
  inherit (source) version src;
  nativeBuildInputs = [ bc bison flex python3 ];
  # Its tools for this machine sign images.
  depsBuildBuild = [ buildPackages.stdenv.cc openssl-prebuilt ];
  # A program for this machine that nothing here runs, with a terminal library.
  postPatch = "sed -i '/+= kwboot$/d' tools/Makefile";
  configurePhase = ''
    runHook preConfigure
    patchShebangs scripts tools
    makeCommand ${board.defconfig}
    runHook postConfigure
  '';
  makeFlags = [
    "CROSS_COMPILE=${stdenv.cc.targetPrefix}"
    "LD=${linker}/bin/${linker.programPrefix}ld.bfd"
    "HOSTCC=gcc"
    "NO_PYTHON=1"
    "PYTHON=python3"
  ];
  buildFlags = [ "all" ];
  installPhase = ''
    runHook preInstall
    mkdir -p "$out"
    cp ${toString board.files} "$out/"
    cp .config "$out/config"
    runHook postInstall
  '';
  dontPatchELF = true;
  meta = {
    description = "Boot loader for embedded systems, here for ${board.defconfig}";
    homepage = "https://www.denx.de/wiki/U-Boot";
    license = lib.licenses.gpl2Plus;
    platforms = lib.platforms.linux;
  };
}
