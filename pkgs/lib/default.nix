# The library: small pure functions with the names and meanings that users of
# nixpkgs know. Each file is a function of the finished library, so files can
# use each other; everything is also re-exported at the top.
let
  lib =
    let
      load = file: import file { inherit lib; };
      parts = {
        trivial = load ./trivial.nix;
        fixedPoints = load ./fixed-points.nix;
        attrsets = load ./attrsets.nix;
        lists = load ./lists.nix;
        strings = load ./strings.nix;
        versions = load ./versions.nix;
        customisation = load ./customisation.nix;
        meta = load ./meta.nix;
        modules = load ./modules.nix;
        licenses = load ./licenses.nix;
        systems = load ./systems;
        platforms = lib.systems.doubles;
      };
    in
    parts.trivial
    // parts.fixedPoints
    // parts.attrsets
    // parts.lists
    // parts.strings
    // parts.customisation
    // parts.meta
    // parts.modules
    // parts
    // {
      # `lib.versions` holds these as well; the short names are in common use.
      inherit (parts.versions) versionOlder versionAtLeast;
      # `lib.extend (final: prev: { … })` gives a library with more in it.
      extend = extension: lib // extension (lib // extension lib lib) lib;
    };
in
lib
