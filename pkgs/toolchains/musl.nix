# musl with a compiler that was made for glibc. musl's own `musl-gcc` does the
# same: the headers, start files and libraries are musl's, what the compiler
# itself brings (its headers and libgcc) fits any C library. For C only, as
# Debian's libstdc++ is bound to glibc; a C++ compiler comes from source
# (config.toolchain = "source").
{ lib, seed, final }:

let
  # musl has no long double but the 64-bit one on POWER.
  machineFlags = platform:
    [ "-static-libgcc" ] ++ lib.optional platform.isPower "-mlong-double-64";
in
{
  compilerOf = gcc: platform: gcc // {
    langCC = false;
    machineFlags = machineFlags platform;
  };

  libcFor = platform: import ./musl-libc.nix {
    inherit lib;
    inherit (final.pkgsBuildBuild) stdenv debianSource;
    platform = platform;
    name = "musl-${platform.config}";
    kernelHeaders = seed.kernelHeadersFor platform;
    # Programs of the seed by their own names: they are not wrapped yet.
    compiler = seed.gccFor platform "12";
    binutils = seed.binutilsFor platform;
    flags = machineFlags platform;
  };
}
