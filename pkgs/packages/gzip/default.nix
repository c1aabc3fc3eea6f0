{ lib, stdenv, debianSource }:

let source = debianSource "gzip";
in
stdenv.mkDerivation {
  pname = "gzip";
  inherit (source) version src;
  # Its scripts would name the grep and the shell that configure found.
  makeFlags = [ "GREP=grep" "SHELL=/bin/sh" ];
  meta = {
    description = "Compression program";
    homepage = "https://www.gnu.org/software/gzip/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "gzip";
  };
}
