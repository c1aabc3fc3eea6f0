{ lib, stdenv, debianSource, m4, bison, buildPackages }:

let source = debianSource "flex";
in
stdenv.mkDerivation {
  pname = "flex";
  inherit (source) version src;
  # It runs m4; while it is built, the build machine's.
  nativeBuildInputs = [ m4 bison ];
  propagatedBuildInputs = [ m4 ];
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  configureFlags = [ "M4=${lib.getBin m4}/bin/m4" "ac_cv_func_malloc_0_nonnull=yes" "ac_cv_func_realloc_0_nonnull=yes" "--disable-nls" ];
  # The generated scanner of the archive is used: no flex is needed to make flex.
  makeFlags = [ "MAKEINFO=true" "HELP2MAN=true" ];
  postPatch = ''
    touch doc/flex.1 src/scan.c src/parse.c
  '';
  meta = {
    description = "Generator of lexical analysers";
    homepage = "https://github.com/westes/flex";
    license = lib.licenses.bsd2;
    platforms = lib.platforms.unix;
    mainProgram = "flex";
  };
}
