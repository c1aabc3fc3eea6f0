{ lib, stdenv, debianSource, xz, zlib }:

let source = debianSource "squashfs-tools";
in
stdenv.mkDerivation {
  pname = "squashfs-tools";
  inherit (source) version src;
  buildInputs = [ xz zlib ];
  dontConfigure = true;
  makeFlags = [
    "-C" "squashfs-tools" "CC=${stdenv.cc.targetPrefix}cc"
    "XZ_SUPPORT=1" "XATTR_SUPPORT=0" "INSTALL_PREFIX=${placeholder "out"}" "INSTALL_MANPAGES_DIR="
  ];
  # The C library loads it when a thread ends, and would not find it.
  EXTRA_LDFLAGS = "-Wl,--no-as-needed -lgcc_s";
  meta = {
    description = "Makes compressed read-only file systems";
    homepage = "https://github.com/plougher/squashfs-tools";
    license = lib.licenses.gpl2Plus;
    platforms = lib.platforms.linux;
    mainProgram = "mksquashfs";
  };
}
