{ lib, stdenv, debianSource, m4 }:

let source = debianSource "bison";
in
stdenv.mkDerivation {
  pname = "bison";
  inherit (source) version src;
  # Debian leaves the manual out of the archive; the makefiles expect it.
  postPatch = ''
    mkdir -p doc
    if [ ! -e doc/bison.texi ]; then
      printf '%s\n' '\input texinfo' '@setfilename bison.info' '@bye' > doc/bison.texi
    fi
    touch doc/bison.info doc/bison.help doc/gpl-3.0.texi doc/fdl.texi
  '';
  # Bison runs m4: the one of the host platform in the end, the build
  # platform's while it is built.
  nativeBuildInputs = [ m4 ];
  propagatedBuildInputs = [ m4 ];
  configureFlags = [ "M4=${lib.getBin m4}/bin/m4" ];
  meta = {
    description = "Parser generator";
    homepage = "https://www.gnu.org/software/bison/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "bison";
  };
}
