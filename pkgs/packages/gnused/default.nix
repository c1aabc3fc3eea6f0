{ lib, stdenv, debianSource }:

let source = debianSource "sed";
in
stdenv.mkDerivation {
  pname = "gnused";
  inherit (source) version src;
  meta = {
    description = "Stream editor";
    homepage = "https://www.gnu.org/software/sed/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "sed";
  };
}
