# The options of `config`, and what they are when they are not given.
{ lib, config }:

let
  options = {
    # The compiler that `gcc` (and with it `stdenv.cc`) means: "12" or "11".
    gccVersion = "12";
    # Where compilers come from: "auto" (prebuilt ones where there are any, else
    # from source), "prebuilt" or "source".
    toolchain = "auto";
    # Whether packages' test suites run when they are cross-built, with the host
    # platform's programs emulated (requiredSystemFeatures = [ "emulate-…" ]).
    emulateChecks = false;
    # Whether test suites that take minutes run as well.
    slowChecks = false;
    # Whether packages that say they don't support a platform are tried anyway.
    allowUnsupportedSystem = false;
  };
  given = if lib.isFunction config then config { inherit lib; } else config;
in
options // given
