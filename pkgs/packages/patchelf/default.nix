{ lib, stdenv, debianSource, autoreconfHook }:

let source = debianSource "patchelf";
in
stdenv.mkDerivation {
  pname = "patchelf";
  inherit (source) version src;
  nativeBuildInputs = [ autoreconfHook ];
  meta = {
    description = "Changes the interpreter and library paths of ELF programs";
    homepage = "https://github.com/NixOS/patchelf";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "patchelf";
  };
}
