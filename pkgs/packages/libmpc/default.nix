{ lib, stdenv, debianSource, mpfr }:

let source = debianSource "mpclib3";
in
stdenv.mkDerivation {
  pname = "libmpc";
  inherit (source) version src;
  propagatedBuildInputs = [ mpfr ];
  makeFlags = [ "MAKEINFO=true" ];
  meta = {
    description = "Arithmetic with complex numbers of any precision";
    homepage = "https://www.multiprecision.org/mpc/";
    license = lib.licenses.lgpl3Plus;
    platforms = lib.platforms.unix;
  };
}
