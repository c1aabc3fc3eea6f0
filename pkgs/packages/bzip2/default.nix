{ lib, stdenv, debianSource }:

let source = debianSource "bzip2";
in
stdenv.mkDerivation {
  pname = "bzip2";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  # A plain makefile, with another for the shared library.
  buildPhase = ''
    runHook preBuild
    make -f Makefile-libbz2_so CC="$CC" AR="$AR" RANLIB="$RANLIB"
    make bzip2 bzip2recover CC="$CC" AR="$AR" RANLIB="$RANLIB"
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    mkdir -p "$out/bin" "$out/lib" "$dev/include"
    cp bzip2-shared "$out/bin/bzip2"
    cp bzip2recover bzgrep bzmore bzdiff "$out/bin/"
    ln -s bzip2 "$out/bin/bunzip2"
    ln -s bzip2 "$out/bin/bzcat"
    cp -P libbz2.so.1.0* "$out/lib/"
    ln -s libbz2.so.1.0 "$out/lib/libbz2.so"
    cp bzlib.h "$dev/include/"
    runHook postInstall
  '';
  meta = {
    description = "Compression program and library";
    homepage = "https://sourceware.org/bzip2/";
    license = lib.licenses.bzip2;
    platforms = lib.platforms.unix;
    mainProgram = "bzip2";
  };
}
