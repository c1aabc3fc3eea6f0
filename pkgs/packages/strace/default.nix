{ lib, stdenv, debianSource, buildPackages }:

let source = debianSource "strace";
in
stdenv.mkDerivation {
  pname = "strace";
  inherit (source) version src;
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  # Without the other word size's personality, for which there is no compiler.
  configureFlags = [ "--enable-mpers=no" "--disable-gcc-Werror" ];
  meta = {
    description = "Shows the system calls of a program";
    homepage = "https://strace.io/";
    license = lib.licenses.lgpl21Plus;
    platforms = lib.platforms.linux;
    mainProgram = "strace";
  };
}
