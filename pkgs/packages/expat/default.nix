{ lib, stdenv, debianSource }:

let source = debianSource "expat";
in
stdenv.mkDerivation {
  pname = "expat";
  inherit (source) version src;
  meta = {
    description = "XML parser library";
    homepage = "https://libexpat.github.io/";
    license = lib.licenses.mit;
    platforms = lib.platforms.unix;
  };
}
