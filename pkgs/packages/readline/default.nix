{ lib, stdenv, debianSource, ncurses }:

let source = debianSource "readline";
in
stdenv.mkDerivation {
  pname = "readline";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  propagatedBuildInputs = [ ncurses ];
  configureFlags = [ "bash_cv_wcwidth_broken=no" ];
  # Linked to the terminal library itself: programs need not name it.
  makeFlags = [ "SHLIB_LIBS=-lncursesw" ];
  meta = {
    description = "Line editing library";
    homepage = "https://tiswww.case.edu/php/chet/readline/rltop.html";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
  };
}
