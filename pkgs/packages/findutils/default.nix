{ lib, stdenv, debianSource }:

let source = debianSource "findutils";
in
stdenv.mkDerivation {
  pname = "findutils";
  inherit (source) version src;
  meta = {
    description = "Finds files, and runs commands on them";
    homepage = "https://www.gnu.org/software/findutils/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "find";
  };
}
