{ lib, fromSeed }:

fromSeed {
  pname = "squashfs-tools";
  debs = [ "squashfs-tools" "liblzo2-2" "liblz4-1" ];
  meta = {
    description = "Makes compressed read-only file systems, to run in builds";
    homepage = "https://github.com/plougher/squashfs-tools";
    license = lib.licenses.gpl2Plus;
    mainProgram = "mksquashfs";
  };
}
