{ lib, stdenv, debianSource, buildPackages }:

let source = debianSource "ncurses";
in
stdenv.mkDerivation {
  pname = "ncurses";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  # The terminal database is written by a tic that runs here.
  nativeBuildInputs = lib.optional (!lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform) buildPackages.ncurses;
  configureFlags = [
    "--with-shared" "--without-normal" "cf_cv_ar_flags=-crv" "--without-debug" "--without-ada" "--without-manpages" "--without-tests" "--without-cxx-binding"
    "--enable-widec" "--enable-pc-files" "--with-pkg-config-libdir=${placeholder "dev"}/lib/pkgconfig" "--disable-stripping"
    "--includedir=${placeholder "dev"}/include" "--with-build-cc=${buildPackages.stdenv.cc}/bin/gcc" "--without-cxx"
  ];
  dontSetOutputFlags = true;
  preConfigure = ''mkdir -p "$dev/lib/pkgconfig"'';
  dontDisableStatic = true;
  # Programs ask for the library under its older names as well.
  postInstall = ''
    for name in ncurses form panel menu; do
      ln -s "lib''${name}w.so" "$out/lib/lib$name.so"
      ln -s "''${name}w.pc" "$dev/lib/pkgconfig/$name.pc"
    done
    ln -s libncursesw.so "$out/lib/libtinfo.so"
    ln -s libncursesw.so "$out/lib/libcurses.so"
    rm -f "$out"/lib/*.a "$out"/bin/ncurses*-config
    # Headers under the names without a directory too.
    if [ -d "$dev/include/ncursesw" ]; then cp -r "$dev/include/ncursesw/." "$dev/include/"; fi
  '';
  meta = {
    description = "Terminal handling library";
    homepage = "https://invisible-island.net/ncurses/";
    license = lib.licenses.ncurses;
    platforms = lib.platforms.unix;
  };
}
