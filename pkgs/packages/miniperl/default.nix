{ lib, stdenv, debianSource }:

# What a cross-build of Perl runs on the build machine: Perl without its compiled
# modules, which would be for the other machine, and the program that makes tables.
let source = debianSource "perl";
in
stdenv.mkDerivation {
  pname = "miniperl";
  inherit (source) version src;
  configurePhase = ''
    runHook preConfigure
    sh ./Configure -des -Dcc="$CC" -Doptimize=-O1 -Dlibpth= -Dlocincpth= -Dloclibpth= -Dglibpth=
    runHook postConfigure
  '';
  buildFlags = [ "miniperl" "generate_uudmap" ];
  installPhase = ''
    runHook preInstall
    mkdir -p "$out/bin"
    cp miniperl generate_uudmap "$out/bin/"
    runHook postInstall
  '';
  meta = {
    description = "Perl as it is before it has modules, to build Perl for another machine";
    homepage = "https://www.perl.org/";
    license = lib.licenses.gpl1Plus;
    platforms = lib.platforms.unix;
    mainProgram = "miniperl";
  };
}
