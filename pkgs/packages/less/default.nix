{ lib, stdenv, debianSource, ncurses }:

let source = debianSource "less";
in
stdenv.mkDerivation {
  pname = "less";
  inherit (source) version src;
  buildInputs = [ ncurses ];
  meta = {
    description = "Shows text page by page";
    homepage = "https://www.greenwoodsoftware.com/less/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "less";
  };
}
