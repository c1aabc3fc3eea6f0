# Compares what lib.systems.elaborate says about each platform with what it says
# in a nixpkgs tree. Evaluates to the differences: [ ] if there are none.
#
# The reference is a tree of 2024 or newer; 20.09 lacks or names otherwise about
# ten attributes.
{ nixpkgs }:

let
  lib = import ../lib;
  reference = import (nixpkgs + "/lib");

  # Without functions, which can't be compared, and marks of types.
  plain = value:
    if builtins.isFunction value then null
    else if builtins.isAttrs value then
      builtins.mapAttrs (name: plain) (builtins.removeAttrs value [ "_type" "check" "assertions" ])
    else if builtins.isList value then map plain value
    else value;
  fails = "(fails)";
  settle = value:
    let tried = builtins.tryEval (builtins.deepSeq value value);
    in if tried.success then tried.value else fails;

  # What ours says differently, and why.
  accepted = attribute:
    {
      # Kernel options are not said twice: packages have them.
      linux-kernel = kernel: builtins.removeAttrs kernel [ "extraConfig" "makeFlags" "Major" ];
      # Ours names the floating-point convention always; nixpkgs where it isn't
      # the triple's. Processor models of Apple's are left out.
      gcc = gcc: builtins.removeAttrs gcc [ "float" "float-abi" "fpu" ];
      # Where nothing is shared, nixpkgs fails on this one.
      extensions = names: if names ? sharedLibrary then names else builtins.removeAttrs names [ "library" ];
    }.${attribute} or (value: value);
  ignored = name: ours: attribute:
    # Of another kernel than Linux.
    attribute == "linux-kernel" && !ours.isLinux ||
    # The functions of an empty set that nixpkgs keeps for old code.
    attribute == "platform" || attribute == "assertions"
    # Versions of FreeBSD: nixpkgs dropped them from the name later on.
    || lib.hasSuffix "freebsd" name && builtins.elem attribute [ "config" "system" "parsed" ]
    # Some of Apple's processors by name.
    || attribute == "gcc" && (lib.hasSuffix "darwin" name || lib.hasPrefix "iphone" name)
    # ELFv2 is not the default of Debian's compiler, so ours is told.
    || attribute == "gcc" && name == "ppc64";

  differences = name:
    let
      theirs = reference.systems.elaborate reference.systems.examples.${name};
      ours = lib.systems.elaborate lib.systems.examples.${name};
      compare = attribute:
        let
          settled = platform: settle (plain (accepted attribute platform.${attribute}));
          expected = settled theirs;
          actual = if ours ? ${attribute} then settled ours else "(missing)";
        in
        if ignored name ours attribute || expected == fails || expected == actual then [ ]
        else [ "${name}.${attribute}: nixpkgs has ${builtins.toJSON expected}, we have ${builtins.toJSON actual}" ];
    in
    lib.concatMap compare
      (builtins.filter (attribute: !builtins.isFunction theirs.${attribute}) (builtins.attrNames theirs));

  both = builtins.intersectAttrs reference.systems.examples lib.systems.examples;
  missing = builtins.removeAttrs reference.systems.examples
    (builtins.attrNames lib.systems.examples
      # A variant of the kernel's configuration, no platform.
      ++ [ "gnu64_simplekernel" ]);
in
map (name: "${name} is missing") (builtins.attrNames missing)
++ lib.concatMap differences (builtins.attrNames both)
