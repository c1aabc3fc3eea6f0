{ lib, stdenv, config, debianSource, m4 }:

let source = debianSource "bison";
in
stdenv.mkDerivation {
  pname = "bison";
  inherit (source) version src;
  # Debian leaves the manual's source out of the archive. So it can't be made,
  # and the examples taken from it, which are there, count as newer than it.
  postPatch = ''
    touch -d @1 doc/bison.texi
    substituteInPlace Makefile.in --replace-fail \
      'all-local: $(srcdir)/$(doc_bison).info.bak' 'all-local:'
    touch doc/bison.1
  '';
  makeFlags = [ "INFO_DEPS=" ];
  # Bison runs m4: the one of the host platform in the end, the build
  # platform's while it is built.
  nativeBuildInputs = [ m4 ];
  propagatedBuildInputs = [ m4 ];
  configureFlags = [ "M4=${lib.getBin m4}/bin/m4" ];
  # Several hundred grammars, compiled and run.
  doCheck = config.slowChecks;
  ${if config.slowChecks then "preCheck" else null} =
    ''checkFlagsArray+=("TESTSUITEFLAGS=--jobs=$NIX_BUILD_CORES")'';
  meta = {
    description = "Parser generator";
    homepage = "https://www.gnu.org/software/bison/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "bison";
  };
}
