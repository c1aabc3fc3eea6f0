{ lib, stdenv, debianSource }:

let source = debianSource "xz-utils";
in
stdenv.mkDerivation {
  pname = "xz";
  inherit (source) version src;
  meta = {
    description = "Compression programs and library (LZMA)";
    homepage = "https://tukaani.org/xz/";
    license = lib.licenses.gpl2Plus;
    platforms = lib.platforms.unix;
    mainProgram = "xz";
  };
}
