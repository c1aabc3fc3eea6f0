{ lib, stdenv, debianSource, openssl, zlib, pkg-config }:

let source = debianSource "curl";
in
stdenv.mkDerivation {
  pname = "curl";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  nativeBuildInputs = [ pkg-config ];
  buildInputs = [ openssl zlib ];
  configureFlags = [
    "--with-openssl" "--without-libpsl" "--without-brotli" "--without-zstd" "--without-libidn2" "--without-nghttp2"
    "--without-librtmp" "--without-libssh2" "--disable-ldap" "--disable-manual" "--with-ca-fallback" "--without-ca-bundle" "--without-ca-path"
  ];
  postInstall = ''rm -f "$out/bin/curl-config" "$dev/bin/curl-config"'';
  meta = {
    description = "Transfers files by URL";
    homepage = "https://curl.se/";
    license = lib.licenses.curl;
    platforms = lib.platforms.unix;
    mainProgram = "curl";
  };
}
