{ lib, stdenv, debianSource, zlib, readline, ncurses, tcl, buildPackages }:

let source = debianSource "sqlite3";
in
stdenv.mkDerivation {
  pname = "sqlite";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  # Scripts put the sources together.
  nativeBuildInputs = [ tcl ];
  buildInputs = [ zlib readline ncurses ];
  configureFlags = [ "--disable-tcl" "--enable-readline" "--disable-amalgamation" ];
  meta = {
    description = "SQL database in a library";
    homepage = "https://www.sqlite.org/";
    license = lib.licenses.publicDomain;
    platforms = lib.platforms.unix;
    mainProgram = "sqlite3";
  };
}
