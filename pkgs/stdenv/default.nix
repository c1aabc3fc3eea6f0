# The standard environment of one stage: the tools of the seed, one compiler,
# and `mkDerivation`. It is a derivation itself, whose `setup` file other
# builders can source.
{ lib, config, buildPlatform, hostPlatform, targetPlatform, bootstrapTools, cc, fetchurl }@arguments:

let
  isCross = !lib.systems.equals buildPlatform hostPlatform;
  name = "stdenv-linux${lib.optionalString isCross "-${hostPlatform.config}"}";
  shell = "${bootstrapTools}/bin/bash";

  package = derivation {
    inherit name shell;
    system = buildPlatform.system;
    builder = shell;
    args = [ "-e" ./build-stdenv.sh ];
    PATH = "${bootstrapTools}/bin";
    preferLocalBuild = true;
    setup = ./setup.sh;
    initialPath = [ bootstrapTools ];
    # What each build has in nativeBuildInputs without asking.
    defaultNativeBuildInputs = lib.optional (cc != null) cc;
  };

  stdenv = lib.extendDerivation true
    {
      inherit buildPlatform hostPlatform targetPlatform shell cc bootstrapTools;
      inherit (hostPlatform) isLinux isDarwin is32bit is64bit isAarch32 isAarch64 isx86_64 isx86_32
        isi686 isMips isBigEndian isLittleEndian;
      inherit (hostPlatform) system;
      initialPath = [ bootstrapTools ];
      hasCC = cc != null;
      fetchurlBoot = fetchurl;
      override = changes: import ./. (arguments // changes);
      mkDerivation = import ./make-derivation.nix { inherit lib config stdenv isCross; };
      meta.description = "The standard environment for packages that run on ${hostPlatform.config}";
    }
    package;
in
stdenv
