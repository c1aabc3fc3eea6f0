{ lib, stdenv, debianSource }:

let source = debianSource "libffi";
in
stdenv.mkDerivation {
  pname = "libffi";
  inherit (source) version src;
  meta = {
    description = "Calls functions whose types are known only at run time";
    homepage = "https://sourceware.org/libffi/";
    license = lib.licenses.mit;
    platforms = lib.platforms.unix;
  };
}
