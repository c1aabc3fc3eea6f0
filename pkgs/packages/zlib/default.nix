{ lib, stdenv, debianSource }:

let source = debianSource "zlib";
in
stdenv.mkDerivation {
  pname = "zlib";
  inherit (source) version src;
  outputs = [ "out" "dev" "static" ];
  # Its configure script is not autoconf's: it knows neither --host nor
  # --disable-static, and takes the tools from the environment.
  configurePlatforms = [ ];
  dontDisableStatic = true;
  dontSetOutputFlags = true;
  dontAddDisableDepTrack = true;
  preConfigure = ''
    export CHOST=${stdenv.hostPlatform.config}
  '';
  configureFlags = [ "--includedir=${placeholder "dev"}/include" ];
  enableParallelBuilding = true;
  doCheck = true;
  postInstall = ''
    moveToOutput lib/libz.a "$static"
  '';
  meta = {
    description = "Compression library";
    homepage = "https://zlib.net/";
    license = lib.licenses.zlib;
    platforms = lib.platforms.unix;
  };
}
