# Python for another machine, made with the build machine's Python of the same version.
{ lib, stdenv, debianSource, pkg-config, python3, bzip2, expat, libffi, ncurses, openssl, readline, sqlite, xz, zlib }:

let
  source = debianSource "python3.11";
  libraries = [ bzip2 expat libffi ncurses openssl readline sqlite xz zlib ];
  short = lib.versions.majorMinor source.version;
in
stdenv.mkDerivation {
  pname = "python3";
  inherit (source) version src;
  nativeBuildInputs = [ pkg-config python3 ];
  buildInputs = libraries;
  configureFlags = [
    "--with-build-python" "--with-system-expat" "--with-system-ffi" "--without-ensurepip" "--without-static-libpython"
    "--disable-test-modules" "--enable-ipv6"
    # What can't be tried when the programs don't run here.
    "ac_cv_file__dev_ptmx=yes" "ac_cv_file__dev_ptc=no" "ac_cv_buggy_getaddrinfo=no"
  ];
  # The script that looks for libraries knows these two places only.
  CPPFLAGS = map (library: "-I${lib.getDev library}/include") libraries;
  LDFLAGS = map (library: "-L${lib.getLib library}/lib") libraries;
  # Modules compiled for `python -O` too would double their size.
  preInstall = ''
    sed -z -i 's#\t-PYTHONPATH=[^\n]*\\\n[^\n]* -Wi -OO\? \([^\n]*\\\n\)*[^\n]*\n##g' Makefile
  '';
  postInstall = ''
    ln -sf python${short} "$out/bin/python"
    # For extension modules: how Python itself was compiled, and where.
    rm -rf "$out"/lib/python${short}/config-* "$out"/bin/*-config "$out"/bin/*-config.py "$out/lib/pkgconfig"
    find "$out" -name '_sysconfigdata*.pyc' -delete
    # Of the build machine's programs, their names.
    sed -i -E -e 's#-[IL]/nix/store/[^ "'"'"']*##g' -e 's#${stdenv.bootstrapTools}/bin/##g' "$out"/lib/python${short}/_sysconfigdata*.py
  '';
  meta = {
    description = "Python";
    homepage = "https://www.python.org/";
    license = lib.licenses.psfl;
    platforms = lib.platforms.unix;
    mainProgram = "python3";
  };
}
