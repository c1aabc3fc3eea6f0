{ lib, fromSeed }:

fromSeed {
  pname = "wine";
  debs = [ "wine64" "libwine" "libunwind8" "libfreetype6" "libpng16-16" "libbrotli1" "libudev1" "libz-mingw-w64" ];
  links = [
    "bin/wine64=../lib/wine/wine64"
    "bin/wineserver=../lib/wine/wineserver64"
    # Debian's wineserver there is a script that looks for the real one in /usr.
    "lib/wine/wineserver=wineserver64"
    "lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll=../../../../x86_64-w64-mingw32/lib/zlib1.dll"
  ];
  meta = {
    description = "Runs 64-bit Windows programs";
    homepage = "https://www.winehq.org/";
    license = lib.licenses.lgpl21Plus;
    platforms = [ "x86_64-linux" ];
    mainProgram = "wine64";
  };
}
