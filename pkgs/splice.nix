# Splicing: a package handed to callPackage stands for all its variants, and the
# dependency list that it is put into picks the right one. `nativeBuildInputs`
# takes the variant that runs on the build platform, `buildInputs` the one that
# runs on the host platform, and so on (stdenv/make-derivation.nix).
#
# The variants are looked up by name in the neighbouring stages and only when
# asked for: nothing is evaluated twice.
{ lib, plain, isCross, neighbours }:

let
  variantsOf = name: {
    buildBuild = neighbours.pkgsBuildBuild.${name};
    buildHost = neighbours.pkgsBuildHost.${name};
    buildTarget = neighbours.pkgsBuildTarget.${name};
    hostHost = neighbours.pkgsHostHost.${name};
    hostTarget = neighbours.pkgsHostTarget.${name};
    targetTarget = neighbours.pkgsTargetTarget.${name};
  };
  withVariants = name: package:
    if lib.isDerivation package && name != "stdenv" && name != "stdenvNoCC" then
      package
      // {
        # The same package for the host and for the build platform.
        hostDrv = package;
        buildDrv = neighbours.pkgsBuildHost.${name};
      }
      // lib.optionalAttrs isCross { __spliced = variantsOf name; }
    else package;
  special = { inherit (plain) pkgs lib config; };
in
builtins.mapAttrs withVariants (builtins.removeAttrs plain (builtins.attrNames special))
// special
