{ lib, stdenv, debianSource }:

let source = debianSource "findutils";
in
stdenv.mkDerivation {
  pname = "findutils";
  inherit (source) version src;
  # updatedb runs sort: whichever is in PATH, not the build machine's.
  configureFlags = [ "ac_cv_path_SORT=sort" ];
  meta = {
    description = "Finds files, and runs commands on them";
    homepage = "https://www.gnu.org/software/findutils/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "find";
  };
}
