{ lib, stdenv, debianSource, autoreconfHook, pkg-config }:

let source = debianSource "make-dfsg";
in
stdenv.mkDerivation {
  pname = "gnumake";
  inherit (source) version src;
  # Debian leaves the manual and the files made from configure.ac out.
  nativeBuildInputs = [ autoreconfHook pkg-config ];
  postPatch = ''
    sed -i -e /^man_MANS/d Makefile.am
    sed -i 's|po/Makefile.in Makefile|po/Makefile.in|' configure.ac
  '';
  configureFlags = [ "--without-guile" "--disable-nls" ];
  meta = {
    description = "Builds what is out of date";
    homepage = "https://www.gnu.org/software/make/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "make";
  };
}
