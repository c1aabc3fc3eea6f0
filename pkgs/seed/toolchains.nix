# Details of Debian's toolchain packages.
{ lib }:

{
  # The cross binutils have a libbfd of their own, the native ones share one.
  sharesLibbfd = false;

  # Large parts of GCC that no build here uses.
  unneededOfGcc = [
    "bin/*-lto-dump-*" "bin/*-gcov*" "bin/gcov*" "bin/lto-dump*"
    "lib/gcc*/*/*/plugin" "lib/gcc*/*/*/libcc1.so"
  ];
}
