{ lib, stdenv, debianSource, zlib }:

let source = debianSource "dropbear";
in
stdenv.mkDerivation {
  pname = "dropbear";
  inherit (source) version src;
  buildInputs = [ zlib ];
  # The C library comes without crypt(3): keys only, no passwords.
  postPatch = ''
    printf '#define DROPBEAR_SVR_PASSWORD_AUTH 0\n' > localoptions.h
  '';
  configureFlags = [ "--disable-harden" "--disable-pam" "--disable-lastlog" "--disable-utmp" "--disable-wtmp" ];
  meta = {
    description = "Small SSH server and client";
    homepage = "https://matt.ucc.asn.au/dropbear/dropbear.html";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "dbclient";
  };
}
