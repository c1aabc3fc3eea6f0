{ lib, stdenv, debianSource, zlib, buildPackages }:

let source = debianSource "file";
in
stdenv.mkDerivation {
  pname = "file";
  inherit (source) version src;
  buildInputs = [ zlib ];
  # The database is compiled by the same version of the program, run here.
  nativeBuildInputs = lib.optional (!lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform) buildPackages.file;
  meta = {
    description = "Tells what kind a file is";
    homepage = "https://www.darwinsys.com/file/";
    license = lib.licenses.bsd2;
    platforms = lib.platforms.unix;
    mainProgram = "file";
  };
}
