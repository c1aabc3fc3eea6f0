{ lib, stdenv, debianSource }:

let source = debianSource "coreutils";
in
stdenv.mkDerivation {
  pname = "coreutils";
  inherit (source) version src;
  configureFlags = [ "--disable-nls" "--without-selinux" "--without-libgmp" "--without-openssl" "--enable-no-install-program=stdbuf" ];
  # Manual pages come from running the programs: the archive's are as good.
  makeFlags = [ "man1_MANS=" "MAKEINFO=true" ];
  meta = {
    description = "Basic programs for files, text and the shell";
    homepage = "https://www.gnu.org/software/coreutils/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "ls";
  };
}
