{ lib, stdenv, debianSource }:

let source = debianSource "tar";
in
stdenv.mkDerivation {
  pname = "gnutar";
  inherit (source) version src;
  meta = {
    description = "Archiver";
    homepage = "https://www.gnu.org/software/tar/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "tar";
  };
}
