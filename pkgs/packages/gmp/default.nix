{ lib, stdenv, debianSource, m4 }:

let source = debianSource "gmp";
in
stdenv.mkDerivation {
  pname = "gmp";
  inherit (source) version src;
  nativeBuildInputs = [ m4 ];
  # Naming both platforms keeps it from choosing code for the very machine that
  # it is built on.
  configurePlatforms = [ "build" "host" ];
  configureFlags = [ "--enable-cxx=no" "--with-pic" ];
  dontDisableStatic = true;
  # Debian leaves the manual out.
  postPatch = ''
    mkdir -p doc
    printf 'all install check:\n' > doc/Makefile.in
  '';
  meta = {
    description = "Arithmetic with numbers of any size";
    homepage = "https://gmplib.org/";
    license = lib.licenses.lgpl3Plus;
    platforms = lib.platforms.unix;
  };
}
