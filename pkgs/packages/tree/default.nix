{ lib, stdenv, debianSource }:

let source = debianSource "tree";
in
stdenv.mkDerivation {
  pname = "tree";
  inherit (source) version src;
  dontConfigure = true;
  makeFlags = [ "CC=${stdenv.cc.targetPrefix}cc" "PREFIX=${placeholder "out"}" "MANDIR=${placeholder "out"}/share/man" ];
  meta = {
    description = "Lists directories as trees";
    homepage = "https://oldmanprogrammer.net/source.php?dir=projects/tree";
    license = lib.licenses.gpl2Plus;
    platforms = lib.platforms.unix;
    mainProgram = "tree";
  };
}
