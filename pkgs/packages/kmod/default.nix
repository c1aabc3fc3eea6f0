{ lib, stdenv, debianSource, autoreconfHook, xz, zlib, pkg-config }:

let source = debianSource "kmod";
in
stdenv.mkDerivation {
  pname = "kmod";
  inherit (source) version src;
  nativeBuildInputs = [ autoreconfHook pkg-config ];
  # What a program for documentation, which is not there, would make.
  postPatch = "touch libkmod/docs/gtk-doc.make";
  buildInputs = [ xz zlib ];
  configureFlags = [ "--with-xz" "--with-zlib" "--disable-manpages" "--disable-test-modules" ];
  meta = {
    description = "Programs for kernel modules";
    homepage = "https://git.kernel.org/pub/scm/utils/kernel/kmod/kmod.git";
    license = lib.licenses.lgpl21Plus;
    platforms = lib.platforms.linux;
    mainProgram = "kmod";
  };
}
