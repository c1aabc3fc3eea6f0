{ lib, fromSeed }:

fromSeed {
  pname = "wine";
  debs = [ "wine64" "libwine" "libunwind8" "libfreetype6" "libpng16-16" "libbrotli1" "libudev1" ];
  links = [ "bin/wine64=../lib/wine/wine64" "bin/wineserver=../lib/wine/wineserver64" ];
  meta = {
    description = "Runs 64-bit Windows programs";
    homepage = "https://www.winehq.org/";
    license = lib.licenses.lgpl21Plus;
    mainProgram = "wine64";
  };
}
