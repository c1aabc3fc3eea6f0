# A C library from source with a compiler that was made for glibc. musl's own
# `musl-gcc` does the same: the headers, start files and libraries are the C library's,
# what the compiler itself brings (its headers and libgcc) fits any. For C only, as
# Debian's libstdc++ is bound to glibc; a C++ compiler comes from source
# (config.toolchain = "source").
{ lib, seed, final }:

let
  # musl has no long double but the 64-bit one on POWER. uClibc-ng does not know the
  # GNU hash tables of MIPS.
  machineFlags = platform:
    [ "-static-libgcc" ]
    ++ lib.optional (platform.isMusl && platform.isPower) "-mlong-double-64"
    ++ lib.optional (platform.isUClibc && platform.isMips) "-Wl,--hash-style=sysv";
in
{
  compilerOf = gcc: platform: gcc // {
    langCC = false;
    machineFlags = machineFlags platform;
  };

  libcFor = platform: import (if platform.isMusl then ./musl-libc.nix else ./uclibc-libc.nix) {
    inherit lib platform;
    inherit (final.pkgsBuildBuild) stdenv debianSource;
    kernelHeaders = seed.kernelHeadersFor platform;
    # Programs of the seed by their own names: they are not wrapped yet.
    compiler = seed.gccFor platform "12";
    binutils = seed.binutilsFor platform;
    flags = machineFlags platform;
  };
}
