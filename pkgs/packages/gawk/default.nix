{ lib, stdenv, debianSource }:

let source = debianSource "gawk";
in
stdenv.mkDerivation {
  pname = "gawk";
  inherit (source) version src;
  # The manual's source is not in Debian's archive.
  preBuild = ''
    makeFlagsArray+=("SUBDIRS=support . extras")
  '';
  configureFlags = [ "--disable-extensions" "--without-readline" "--without-mpfr" ];
  meta = {
    description = "Pattern scanning and processing language";
    homepage = "https://www.gnu.org/software/gawk/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "gawk";
  };
}
