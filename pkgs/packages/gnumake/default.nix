{ lib, stdenv, debianSource }:

let source = debianSource "make-dfsg";
in
stdenv.mkDerivation {
  pname = "gnumake";
  inherit (source) version src;
  # Debian leaves the manual out of the archive.
  postPatch = ''
    substituteInPlace Makefile.in --replace-fail 'SUBDIRS = lib po doc' 'SUBDIRS = lib po'
  '';
  meta = {
    description = "Runs what is needed to bring files up to date";
    homepage = "https://www.gnu.org/software/make/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "make";
  };
}
