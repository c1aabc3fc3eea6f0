{ lib, stdenv, debianSource }:

let
  source = debianSource "zlib";
  inherit (stdenv.hostPlatform) hasSharedLibraries;
in
stdenv.mkDerivation {
  pname = "zlib";
  inherit (source) version src;
  outputs = [ "out" "dev" ] ++ lib.optional hasSharedLibraries "static";
  # Its configure script is not autoconf's: it knows neither --host nor
  # --disable-static, and takes the tools from the environment.
  configurePlatforms = [ ];
  dontDisableStatic = true;
  dontSetOutputFlags = true;
  dontAddDisableDepTrack = true;
  preConfigure = ''
    export CHOST=${stdenv.hostPlatform.config}
  '';
  configureFlags = [ "--includedir=${placeholder "dev"}/include" ] ++ lib.optional (!hasSharedLibraries) "--static";
  enableParallelBuilding = true;
  doCheck = true;
  postInstall = lib.optionalString hasSharedLibraries ''
    moveToOutput lib/libz.a "$static"
  '';
  meta = {
    description = "Compression library";
    homepage = "https://zlib.net/";
    license = lib.licenses.zlib;
    platforms = lib.platforms.unix;
  };
}
