{ lib, stdenv, debianSource, zlib }:

let source = debianSource "dropbear";
in
stdenv.mkDerivation {
  pname = "dropbear";
  inherit (source) version src;
  buildInputs = [ zlib ];
  configureFlags = [ "--disable-harden" "--disable-pam" "--disable-lastlog" "--disable-utmp" "--disable-wtmp" ];
  makeFlags = [ "PROGRAMS=dropbear dbclient dropbearkey dropbearconvert scp" ];
  meta = {
    description = "Small SSH server and client";
    homepage = "https://matt.ucc.asn.au/dropbear/dropbear.html";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "dbclient";
  };
}
