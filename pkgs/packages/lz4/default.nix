{ lib, stdenv, debianSource }:

let source = debianSource "lz4";
in
stdenv.mkDerivation {
  pname = "lz4";
  inherit (source) version src;
  dontConfigure = true;
  makeFlags = [ "CC=${stdenv.cc.targetPrefix}cc" "AR=${stdenv.cc.targetPrefix}ar" "PREFIX=${placeholder "out"}" "TARGET_OS=Linux" ];
  meta = {
    description = "Very fast compression";
    homepage = "https://lz4.org/";
    license = lib.licenses.bsd2;
    platforms = lib.platforms.unix;
    mainProgram = "lz4";
  };
}
