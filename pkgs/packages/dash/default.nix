{ lib, stdenv, buildPackages, debianSource }:

let source = debianSource "dash";
in
stdenv.mkDerivation {
  pname = "dash";
  inherit (source) version src;
  # Programs that write parts of its source are compiled for the build machine.
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  meta = {
    description = "Small POSIX shell";
    homepage = "http://gondor.apana.org.au/~herbert/dash/";
    license = lib.licenses.bsd3;
    platforms = lib.platforms.unix;
    mainProgram = "dash";
  };
}
