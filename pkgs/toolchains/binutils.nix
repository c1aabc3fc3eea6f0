# GNU binutils from source for one target.
{ lib, stdenv, buildPackages, debianSource, zlib, target, isCross }:

let source = debianSource "binutils";
in
stdenv.mkDerivation {
  pname = "binutils-unwrapped-${target.config}";
  inherit (source) version src;
  buildInputs = [ zlib ];
  # Its manuals are made by a program that runs while it is built.
  depsBuildBuild = lib.optional (!lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform) buildPackages.stdenv.cc;
  configureFlags = [
    "--target=${target.config}" "--with-sysroot=/" "--with-system-zlib" "--disable-nls"
    "--disable-werror" "--disable-gprofng" "--disable-gdb" "--disable-gdbserver" "--disable-sim"
    "--enable-deterministic-archives" "--enable-new-dtags" "--disable-multilib" "--disable-gold"
    # Optimised lightly, as the compilers are (gcc.nix).
    "CFLAGS=-O1" "CXXFLAGS=-O1"
  ];
  # The manuals' sources are not in Debian's archive.
  makeFlags = [ "MAKEINFO=true" ];
  # Plugins and the linker share code by object file: one shared library of each.
  dontDisableStatic = true;
  passthru = {
    programPrefix = lib.optionalString isCross "${target.config}-";
    # The tools by their own names, without a prefix.
    toolDirectory = "${target.config}/bin";
  };
  meta = {
    description = "Assembler, linker and object tools for ${target.config}";
    homepage = "https://www.gnu.org/software/binutils/";
    license = lib.licenses.gpl3Plus;
  };
}
