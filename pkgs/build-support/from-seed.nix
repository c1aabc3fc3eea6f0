# Programs that builds run but that this package set does not build itself yet:
# Debian's, for the build machine only. `debs` are unpacked into one tree.
#
#   fromSeed { pname = "ninja"; debs = [ "ninja-build" ]; }
#
# With `wrap = { perl = [ "PERL5LIB=…" ]; }` programs get variables, in which
# @tree@ is the tree's path; `setupHook` is a file; `commands` are run at the end.
{ lib, seed, stdenvNoCC }:

{ pname, debs, links ? [ ], dependencies ? [ ], wrap ? { }, setupHook ? null, meta ? { }, substitutions ? { }, commands ? "" }:

let
  inherit (stdenvNoCC) buildPlatform hostPlatform shell;
  tree = seed.tree {
    pname = "${pname}-tree";
    version = seed.versionOf (builtins.head debs);
    inherit debs links;
    dependencies = dependencies ++ seed.programDependencies;
  };
  script = program: variables: ''
    printf '#!%s\n%s exec -a %s %s "$@"\n' ${shell} \
      ${lib.escapeShellArg (toString (map (v: lib.replaceStrings [ "@tree@" ] [ "${tree}" ] v) variables))} \
      ${program} "$(readlink -f ${tree}/bin/${program})" > "$out/bin/${program}"
    chmod +x "$out/bin/${program}"
  '';
in
# Said when it is built, not when it is only named: for nativeBuildInputs its
# variant for the build machine is taken.
lib.extendDerivation
  (lib.throwIf (!lib.systems.equals buildPlatform hostPlatform)
    "${pname} is there for the build machine only (nativeBuildInputs); this package set does not build it for ${hostPlatform.config}"
    true)
  { }
  (stdenvNoCC.mkDerivation ({
    inherit pname;
    inherit (tree) version;
    # Links to the tree's programs, which find everything else from there.
    buildCommand = ''
      mkdir -p "$out/bin"
      for program in ${tree}/bin/*; do ln -s "$program" "$out/bin/"; done
      ${lib.concatStrings (lib.mapAttrsToList (program: variables: "rm \"$out/bin/${program}\"\n" + script program variables) wrap)}
      ${commands}
      if [ -n "''${hook-}" ]; then
        mkdir -p "$out/nix-support"
        substitute "$hook" "$out/nix-support/setup-hook" --subst-var tree ${lib.concatStringsSep " " (map (name: "--subst-var ${name}") (builtins.attrNames substitutions))}
      fi
    '';
    hook = setupHook;
    inherit tree;
    inherit meta;
  } // substitutions))
