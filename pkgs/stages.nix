# The stages: one package set for each (build, host, target) that occurs.
#
#   native  (L, L, L)   programs for the build machine
#   tools   (L, L, C)   programs for the build machine that make code for C,
#                       compilers above all; otherwise the same as native
#   run     (L, C, C)   what is wanted: programs for C, made on L
#
# Each stage knows the others as pkgsBuildHost and so on. The native stage does
# not depend on C, so all platforms of `pkgsCross` share one.
{ lib, config, localPlatform, overlays, crossOverlays, reimport }:

let
  # Where Debian has no packages of the build machine, they are cross-built.
  grower = lib.systems.elaborate "x86_64-linux";
  debianSeed = platform: import ./seed { inherit lib; localPlatform = platform; };
  seed =
    if (debianSeed localPlatform).exists then debianSeed localPlatform
    else import ./seed/grown.nix {
      inherit lib localPlatform;
      debian = debianSeed grower;
      grower = reimport {
        localSystem = grower;
        crossSystem = localPlatform;
        overlays = [ ];
        crossOverlays = [ ];
        config = { };
      };
    };

  packageFiles =
    lib.mapAttrs (name: _: ./packages + "/${name}") (builtins.readDir ./packages);

  # The triple of the same machine with musl.
  muslConfig = platform:
    let inherit (platform.parsed) cpu vendor kernel abi;
    in "${cpu.name}-${vendor.name}-${kernel.name}-${if lib.hasPrefix "gnu" abi.name then "musl${lib.removePrefix "elfv2" (lib.removePrefix "elfv1" (lib.removePrefix "gnu" abi.name))}" else abi.name}";

  makeStage = { platforms, neighbours, isCross ? true, extraOverlays ? [ ] }:
    let
      inherit (platforms) buildPlatform hostPlatform targetPlatform;

      # What is not a package: platforms, neighbours, functions.
      base = final: neighbours // platforms // {
        inherit lib config;
        pkgs = exported;
        buildPackages = neighbours.pkgsBuildHost;
        targetPackages = neighbours.pkgsTargetTarget;
        inherit (hostPlatform) system;

        newScope = extra: lib.callPackageWith (exported // extra);
        callPackage = lib.callPackageWith exported;
        callPackages = lib.callPackagesWith exported;

        pkgsCross = lib.mapAttrs
          (name: _: crossTo (lib.systems.elaborate name))
          lib.systems.examples;
        # The same with musl, and with musl linked statically.
        pkgsMusl = reimport { crossSystem = { config = muslConfig hostPlatform; }; };
        pkgsStatic = reimport { crossSystem = { config = muslConfig hostPlatform; isStatic = true; }; };
        extend = overlay: reimport { overlays = overlays ++ [ overlay ]; };
        appendOverlays = more: reimport { overlays = overlays ++ more; };
        inherit overlays;

        stdenv = import ./stdenv {
          inherit lib config buildPlatform hostPlatform targetPlatform;
          bootstrapTools = seed.tools;
          cc = neighbours.pkgsBuildHost.gcc;
          fetchurl = final.fetchurl;
        };
        stdenvNoCC = final.stdenv.override { cc = null; };

        # A Bash to type to, which `nix develop` starts.
        bashInteractive =
          if lib.systems.equals hostPlatform buildPlatform
          then seed.tools // { meta = final.bash.meta // { description = "The GNU shell, prebuilt"; }; }
          else final.bash;

        fromSeed = seed.package or (import ./build-support/from-seed.nix {
          inherit lib seed;
          inherit (final) stdenvNoCC;
        });
        debianLibraries = seed.librariesFor hostPlatform;
        fetchurl = import ./build-support/fetchurl.nix { inherit lib; };
        debianSource = import ./build-support/debian-source.nix {
          inherit lib;
          inherit (seed) lock;
          inherit (final) fetchurl;
        };
      }
      // import ./build-support/trivial-builders.nix {
        inherit lib;
        inherit (final) stdenv stdenvNoCC;
      }
      // import ./toolchain.nix {
        inherit lib config seed hostPlatform targetPlatform final;
      };

      packages = final: prev:
        lib.mapAttrs (name: file: final.callPackage file { }) packageFiles;

      # Errors in what an overlay sets, endless recursion above all, name it.
      named = kind: lib.imap1 (number: overlay: final: prev:
        let
          what = "${kind} number ${toString number}";
          changes =
            if !(builtins.isFunction overlay || overlay ? __functor)
            then throw "${what} is of type '${builtins.typeOf overlay}'; an overlay is a function: final: prev: { … }"
            else builtins.addErrorContext
              "while finding out which packages ${what} sets (which ones may depend on its second argument only)"
              (overlay final prev);
          place = name:
            let position = builtins.unsafeGetAttrPos name changes;
            in lib.optionalString (position != null) " at ${position.file}:${toString position.line}";
        in
        builtins.mapAttrs
          (name: builtins.addErrorContext
            "while evaluating '${name}' as ${what} sets it${place name} (an overlay gets the package as it was before from its second argument)")
          changes);

      # The fixed point of all layers. Overlays see this set; users and
      # callPackage see `exported`, in which each package knows its variants.
      plain = lib.fix (lib.extends
        (lib.composeManyExtensions
          ([ packages ] ++ named "overlay" overlays ++ named "cross overlay" extraOverlays))
        (final: base final // { unspliced = plain; }));
      exported = import ./splice.nix {
        inherit lib plain isCross neighbours;
      };
    in
    exported;

  native = makeStage {
    isCross = false;
    platforms = {
      buildPlatform = localPlatform;
      hostPlatform = localPlatform;
      targetPlatform = localPlatform;
    };
    neighbours = {
      pkgsBuildBuild = native;
      pkgsBuildHost = native;
      pkgsBuildTarget = native;
      pkgsHostHost = native;
      pkgsHostTarget = native;
      pkgsTargetTarget = native;
    };
  };

  crossTo = crossPlatform:
    let
      tools = makeStage {
        platforms = {
          buildPlatform = localPlatform;
          hostPlatform = localPlatform;
          targetPlatform = crossPlatform;
        };
        neighbours = {
          pkgsBuildBuild = native;
          pkgsBuildHost = native;
          pkgsBuildTarget = tools;
          pkgsHostHost = native;
          pkgsHostTarget = tools;
          pkgsTargetTarget = run;
        };
      };
      run = makeStage {
        platforms = {
          buildPlatform = localPlatform;
          hostPlatform = crossPlatform;
          targetPlatform = crossPlatform;
        };
        neighbours = {
          pkgsBuildBuild = native;
          pkgsBuildHost = tools;
          pkgsBuildTarget = tools;
          pkgsHostHost = run;
          pkgsHostTarget = run;
          pkgsTargetTarget = run;
        };
        extraOverlays = crossOverlays;
      };
    in
    if lib.systems.equals crossPlatform localPlatform then native else run;

  # The native packages, each with its cross-built variant as `hostDrv`.
  nativeWithHostDrv = crossPlatform:
    let run = crossTo crossPlatform;
    in
    builtins.mapAttrs
      (name: package:
        if lib.isDerivation package && run ? ${name}
        then package // { hostDrv = run.${name}; }
        else if package.recurseForDerivations or false
        then builtins.mapAttrs (inner: drv: if lib.isDerivation drv then drv // { hostDrv = run.${name}.${inner}; } else drv) package
        else package)
      native;
in
{
  inherit native crossTo nativeWithHostDrv;
}
