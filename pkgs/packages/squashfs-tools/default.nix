{ lib, stdenv, callPackage, fromSeed, pkgsBuildBuild }:

if lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform
then
  fromSeed {
    pname = "squashfs-tools";
    debs = [ "squashfs-tools" "liblzo2-2" "liblz4-1" ];
    # The C library loads libgcc_s when a thread ends.
    wrap.mksquashfs = [ "LD_LIBRARY_PATH=${pkgsBuildBuild.gccLibs}/${pkgsBuildBuild.gccLibs.libDir}" ];
    meta = {
      description = "Makes compressed read-only file systems, to run in builds";
      homepage = "https://github.com/plougher/squashfs-tools";
      license = lib.licenses.gpl2Plus;
      mainProgram = "mksquashfs";
    };
  }
else callPackage ./cross.nix { }
