{ lib, fromSeed, pkgsBuildBuild }:

# In nativeBuildInputs: makes `configure` anew before the configure phase, with
# Autoconf, Automake and Libtool.
fromSeed {
  pname = "autoreconf";
  debs = [ "autoconf" "automake" "autotools-dev" "libtool" "m4" ];
  links = [ "bin/aclocal=aclocal-1.16" "bin/automake=automake-1.16" ];
  # They know where they are installed; none is a compiled program.
  commands = ''
    mkdir -p "$out/share"
    cp -r --no-preserve=mode $tree/share/{autoconf,automake-1.16,aclocal,aclocal-1.16,libtool,misc} "$out/share/"
    for program in autoconf autoheader autom4te autoreconf aclocal automake libtoolize; do
      rm -f "$out/bin/$program"
      cp --no-preserve=mode "$(readlink -f "$tree/bin/$program")" "$out/bin/$program"
      chmod +x "$out/bin/$program"
    done
    ln -sf automake "$out/bin/automake-1.16"
    ln -sf aclocal "$out/bin/aclocal-1.16"
    grep -rlIZ /usr/ "$out" | xargs -0 sed -i \
      -e "s|/usr/share/|$out/share/|g" \
      -e "s|/usr/bin/m4|$tree/bin/m4|g" \
      -e "s|/usr/bin/perl|${pkgsBuildBuild.perl}/bin/perl|g" \
      -e "s#/usr/bin/\(auto[a-z0-9]*\|aclocal\)#$out/bin/\1#g"
    # Programs of the standard environment are found on PATH.
    sed -i -e "1s|^#! */usr/bin/env sh|#!$SHELL|" -e 's#="/bin/#="#' "$out/bin/libtoolize"
    chmod +x "$out"/share/automake-1.16/* "$out"/share/misc/* "$out"/share/libtool/build-aux/*
  '';
  setupHook = ./setup-hook.sh;
  meta = {
    description = "Makes configure scripts in builds: Autoconf, Automake and Libtool";
    homepage = "https://www.gnu.org/software/autoconf/";
    license = lib.licenses.gpl2Plus;
  };
}
