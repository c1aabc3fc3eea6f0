# Recursive sets that can be extended: what overlays and overrideAttrs stand on.
{ lib }:

rec {
  # The value x for which x = f x.
  fix = f: let x = f x; in x;
  # The same, keeping f so that the result can be extended.
  fix' = f: let x = f x // { __unfix__ = f; }; in x;

  # extends overlay f: f with an overlay `final: prev: { … }` on top.
  extends = overlay: f: final:
    let prev = f final;
    in prev // overlay final prev;

  # Two overlays as one; the second sees the first's result as `prev`.
  composeExtensions = first: second: final: prev:
    let
      one = first final prev;
      two = second final (prev // one);
    in one // two;
  composeManyExtensions =
    builtins.foldl' composeExtensions (final: prev: { });

  makeExtensible = makeExtensibleWithCustomName "extend";
  makeExtensibleWithCustomName = name: f: fix' (self: f self // {
    ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f);
  });

  # Applies f until nothing changes any more.
  converge = f: x: let y = f x; in if y == x then x else converge f y;

  # What overrideAttrs accepts (a set, `prev: { … }` or `final: prev: { … }`), as
  # an overlay.
  toExtension = change:
    if lib.isFunction change
    then final: prev:
      let result = change prev;
      in if lib.isFunction result then change final prev else result
    else final: prev: change;
}
