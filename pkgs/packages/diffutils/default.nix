{ lib, stdenv, debianSource }:

let source = debianSource "diffutils";
in
stdenv.mkDerivation {
  pname = "diffutils";
  inherit (source) version src;
  meta = {
    description = "Compares files";
    homepage = "https://www.gnu.org/software/diffutils/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "diff";
  };
}
