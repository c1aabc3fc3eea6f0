{ lib, stdenv, callPackage, fromSeed }:

if lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform
then
  fromSeed {
    pname = "python3";
    debs = [ "python3.11-minimal" "libpython3.11-minimal" "libpython3.11-stdlib" "libexpat1" "libffi8" "libuuid1" "libssl3" ];
    links = [ "bin/python3=python3.11" "bin/python=python3.11" ];
    meta = {
      description = "Python, to run in builds";
      homepage = "https://www.python.org/";
      license = lib.licenses.psfl;
      mainProgram = "python3";
    };
  }
else callPackage ./cross.nix { }
