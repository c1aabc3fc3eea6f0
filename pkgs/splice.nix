# Splicing: a package handed to callPackage stands for all its variants, and the
# dependency list that it is put into picks the right one. `nativeBuildInputs`
# takes the variant that runs on the build platform, `buildInputs` the one that
# runs on the host platform, and so on (stdenv/make-derivation.nix).
#
# The variants are looked up by name in the neighbouring stages and only when
# asked for: nothing is evaluated twice.
{ lib, plain, isCross, neighbours }:

let
  # An overlay of the cross stage alone can add packages that others lack.
  from = stage: name: neighbours.${stage}.${name} or (throw
    "'${name}' is not in ${stage}: an overlay that adds it must be among `overlays`, not `crossOverlays`, for it to be used there");
  variantsOf = name: {
    buildBuild = from "pkgsBuildBuild" name;
    buildHost = from "pkgsBuildHost" name;
    buildTarget = from "pkgsBuildTarget" name;
    hostHost = from "pkgsHostHost" name;
    hostTarget = from "pkgsHostTarget" name;
    targetTarget = from "pkgsTargetTarget" name;
  };
  withVariants = name: package:
    if lib.isDerivation package && name != "stdenv" && name != "stdenvNoCC" then
      package
      // {
        # The same package for the host and for the build platform.
        hostDrv = package;
        buildDrv = from "pkgsBuildHost" name;
      }
      // lib.optionalAttrs isCross { __spliced = variantsOf name; }
    else if package.recurseForDerivations or false then
      builtins.mapAttrs (inner: drv: if lib.isDerivation drv then drv // {
        hostDrv = drv;
        buildDrv = (from "pkgsBuildHost" name).${inner};
      } else drv) package
    else package;
  special = { inherit (plain) pkgs lib config; };
in
builtins.mapAttrs withVariants (builtins.removeAttrs plain (builtins.attrNames special))
// special
