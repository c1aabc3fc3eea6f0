{ lib, stdenv, debianSource }:

let source = debianSource "hello";
in
stdenv.mkDerivation (finalAttrs: {
  pname = "hello";
  inherit (source) version src;
  # Tests run the program that was built.
  doCheck = true;
  meta = {
    description = "Prints a friendly greeting";
    homepage = "https://www.gnu.org/software/hello/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix ++ lib.platforms.windows;
    mainProgram = "hello";
  };
})
