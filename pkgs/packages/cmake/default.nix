{ lib, fromSeed, targetPlatform, buildPlatform }:

let
  isCross = !lib.systems.equals buildPlatform targetPlatform;
  # CMake's names of kernels.
  systems = { linux = "Linux"; windows = "Windows"; none = "Generic"; wasi = "WASI"; freebsd = "FreeBSD"; netbsd = "NetBSD"; };
in
fromSeed {
  pname = "cmake";
  debs = [
    "cmake" "cmake-data" "libarchive13" "libcurl4" "libjsoncpp25" "librhash0" "libuv1" "libexpat1"
    "libbrotli1" "libgnutls30" "libgssapi-krb5-2" "libhogweed6" "libidn2-0" "libk5crypto3" "libkeyutils1"
    "libkrb5-3" "libkrb5support0" "libcom-err2" "libldap-2.5-0" "liblz4-1" "libnettle8" "libnghttp2-14"
    "libp11-kit0" "libpsl5" "librtmp1" "libsasl2-2" "libsasl2-modules-db" "libssh2-1" "libssl3" "libtasn1-6"
    "libunistring2" "libxml2" "libicu72" "libffi8"
  ];
  setupHook = ./setup-hook.sh;
  substitutions = {
    cmakeSystem = if isCross then systems.${targetPlatform.parsed.kernel.name} or "Generic" else "";
    cmakeProcessor = targetPlatform.parsed.cpu.name;
  };
  meta = {
    description = "Build system generator, to run in builds";
    homepage = "https://cmake.org/";
    license = lib.licenses.bsd3;
    mainProgram = "cmake";
  };
}
