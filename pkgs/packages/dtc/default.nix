{ lib, stdenv, debianSource, flex, bison, pkg-config, buildPackages }:

let source = debianSource "device-tree-compiler";
in
stdenv.mkDerivation {
  pname = "dtc";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  nativeBuildInputs = [ flex bison pkg-config ];
  makeFlags = [
    "NO_PYTHON=1" "NO_YAML=1" "NO_VALGRIND=1" "PREFIX=${placeholder "out"}" "INCLUDEDIR=${placeholder "dev"}/include"
    "CC=${stdenv.cc.targetPrefix}cc" "AR=${stdenv.cc.targetPrefix}ar"
  ];
  dontConfigure = true;
  # A script for bash.
  postInstall = ''rm -f "$out/bin/dtdiff"'';
  meta = {
    description = "Device tree compiler";
    homepage = "https://git.kernel.org/pub/scm/utils/dtc/dtc.git";
    license = lib.licenses.gpl2Plus;
    platforms = lib.platforms.unix;
    mainProgram = "dtc";
  };
}
