{ lib, stdenv, debianSource }:

let source = debianSource "patch";
in
stdenv.mkDerivation {
  pname = "gnupatch";
  inherit (source) version src;
  meta = {
    description = "Applies differences to files";
    homepage = "https://www.gnu.org/software/patch/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "patch";
  };
}
