{ lib, stdenv, debianSource }:

let source = debianSource "diffutils";
in
stdenv.mkDerivation {
  pname = "diffutils";
  inherit (source) version src;
  # diff -l runs pr: whichever is in PATH, not the build machine's.
  configureFlags = [ "ac_cv_path_PR_PROGRAM=pr" ];
  meta = {
    description = "Compares files";
    homepage = "https://www.gnu.org/software/diffutils/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "diff";
  };
}
