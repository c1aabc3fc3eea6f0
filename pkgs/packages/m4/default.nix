{ lib, stdenv, debianSource }:

let source = debianSource "m4";
in
stdenv.mkDerivation {
  pname = "m4";
  inherit (source) version src;
  meta = {
    description = "Macro processor";
    homepage = "https://www.gnu.org/software/m4/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "m4";
  };
}
