{ lib, stdenv, debianSource, cmake }:

let source = debianSource "expat";
in
stdenv.mkDerivation {
  pname = "expat";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  nativeBuildInputs = [ cmake ];
  postUnpack = "sourceRoot+=/expat";
  cmakeFlags = [ "-DEXPAT_BUILD_TESTS=OFF" "-DEXPAT_BUILD_EXAMPLES=OFF" "-DEXPAT_BUILD_DOCS=OFF" ];
  meta = {
    description = "XML parser";
    homepage = "https://libexpat.github.io/";
    license = lib.licenses.mit;
    platforms = lib.platforms.unix;
  };
}
