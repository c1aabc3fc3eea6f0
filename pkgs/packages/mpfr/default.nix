{ lib, stdenv, debianSource, gmp }:

let source = debianSource "mpfr4";
in
stdenv.mkDerivation {
  pname = "mpfr";
  inherit (source) version src;
  propagatedBuildInputs = [ gmp ];
  makeFlags = [ "MAKEINFO=true" ];
  meta = {
    description = "Floating-point arithmetic with correct rounding";
    homepage = "https://www.mpfr.org/";
    license = lib.licenses.lgpl3Plus;
    platforms = lib.platforms.unix;
  };
}
