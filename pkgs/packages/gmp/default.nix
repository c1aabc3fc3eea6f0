{ lib, stdenv, debianSource, m4, buildPackages }:

let source = debianSource "gmp";
in
stdenv.mkDerivation {
  pname = "gmp";
  inherit (source) version src;
  nativeBuildInputs = [ m4 ];
  # Its tables are made by programs that run while it is built.
  depsBuildBuild = lib.optional (!lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform) buildPackages.stdenv.cc;
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
