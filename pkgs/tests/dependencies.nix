# How dependencies of dependencies arrive: a derivation that builds if each is
# found with the right offsets, in the order build < host < target = -1 < 0 < 1.
let
  pkgs = import ../. { crossSystem = "riscv64-linux"; };
  inherit (pkgs) lib stdenvNoCC;

  lists = [
    "depsBuildBuild" "nativeBuildInputs" "depsBuildTarget" "depsHostHost" "buildInputs" "depsTargetTarget"
  ];
  propagated = {
    depsBuildBuild = "depsBuildBuildPropagated";
    nativeBuildInputs = "propagatedNativeBuildInputs";
    depsBuildTarget = "depsBuildTargetPropagated";
    depsHostHost = "depsHostHostPropagated";
    buildInputs = "propagatedBuildInputs";
    depsTargetTarget = "depsTargetTargetPropagated";
  };

  package = name: attributes: stdenvNoCC.mkDerivation ({
    inherit name;
    buildCommand = ''
      mkdir -p "$out/bin"
      recordPropagatedDependencies
    '';
  } // attributes);
  # One for each kind, that is propagated as that kind.
  leaf = list: package "leaf-${list}" { };
  # A package that propagates one of each kind.
  middle = list: package "middle-${list}"
    (lib.mapAttrs' (kind: name: lib.nameValuePair name [ (leaf kind) ]) propagated);

  # What a package of each list brings with it, as offsets of where it runs and of
  # what it makes code for.
  expected = {
    depsBuildBuild = [ "0:-1:-1" "depsHostHost:-1:-1" "buildInputs:-1:-1" "depsTargetTarget:-1:-1" ];
    nativeBuildInputs = [ "0:-1:0" "depsHostHost:-1:-1" "buildInputs:-1:0" "depsTargetTarget:0:0" ];
    depsBuildTarget = [ "0:-1:1" "depsHostHost:-1:-1" "buildInputs:-1:1" "depsTargetTarget:1:1" ];
    depsHostHost = [
      "0:0:0" "depsBuildBuild:-1:-1" "nativeBuildInputs:-1:0" "depsBuildTarget:-1:0" "depsHostHost:0:0" "buildInputs:0:0" "depsTargetTarget:0:0"
    ];
    buildInputs = [
      "0:0:1" "depsBuildBuild:-1:-1" "nativeBuildInputs:-1:0" "depsBuildTarget:-1:1" "depsHostHost:0:0" "buildInputs:0:1" "depsTargetTarget:1:1"
    ];
    depsTargetTarget = [ "0:1:1" "depsBuildBuild:0:0" "nativeBuildInputs:0:1" "depsBuildTarget:0:1" "depsHostHost:1:1" "buildInputs:1:1" "depsTargetTarget:1:1" ];
  };

  check = list: stdenvNoCC.mkDerivation {
    name = "dependencies-through-${list}";
    ${list} = [ (middle list) ];
    expected = lib.concatStringsSep "\n" (lib.sort (a: b: a < b) (lib.unique expected.${list}));
    buildCommand = ''
      for entry in "''${allDependencies[@]}"; do
        read -r hostOffset targetOffset package <<< "$entry"
        case $package in
          *-leaf-*) name=''${package##*-leaf-}; printf '%s:%s:%s\n' "''${name%%-*}" "$hostOffset" "$targetOffset" ;;
          *-middle-*) printf '0:%s:%s\n' "$hostOffset" "$targetOffset" ;;
        esac
      done | sort -u > found
      diff <(printf '%s\n' "$expected") found
      touch "$out"
    '';
  };
in
lib.genAttrs lists check
