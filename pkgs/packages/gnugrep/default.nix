{ lib, stdenv, debianSource }:

let source = debianSource "grep";
in
stdenv.mkDerivation {
  pname = "gnugrep";
  inherit (source) version src;
  # Its PCRE support would need libpcre2.
  configureFlags = [ "--disable-perl-regexp" ];
  meta = {
    description = "Finds lines that match patterns";
    homepage = "https://www.gnu.org/software/grep/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "grep";
  };
}
