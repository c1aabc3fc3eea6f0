{ lib, stdenv, debianSource }:

let source = debianSource "gawk";
in
stdenv.mkDerivation {
  pname = "gawk";
  inherit (source) version src;
  meta = {
    description = "Processes text by patterns and actions";
    homepage = "https://www.gnu.org/software/gawk/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "gawk";
  };
}
