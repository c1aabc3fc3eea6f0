# From a lock file to the flake that it belongs to. `trees` has what is fetched
# already: for some nodes' keys `{ sourceInfo, dir }`.
lockText: trees:
let
  inherit (builtins) fromJSON mapAttrs isString isFunction removeAttrs foldl' substring fetchTree;

  lock = fromJSON lockText;

  # The key of the node that an input's entry leads to: the entry is a key, or a
  # path of input names that begins at the root.
  keyOf = entry: if isString entry then entry else keyAt entry;
  keyAt = foldl' (key: name: keyOf lock.nodes.${key}.inputs.${name}) lock.root;

  below = base: path: if path == "" then base else "${base}/${path}";

  isRelative = node:
    (node.locked.type or "") == "path" && substring 0 1 node.locked.path != "/";

  make = key: node:
    let
      known = trees.${key} or null;
      parent = nodes.${keyAt (node.parent or [ ])};
      relative = known == null && isRelative node;
      sourceInfo =
        if known != null then known.sourceInfo
        else if relative then parent.sourceInfo
        else fetchTree ((node.info or { }) // removeAttrs node.locked [ "dir" ]);
      outPath =
        if relative then below parent.outPath node.locked.path
        else below sourceInfo.outPath (if known != null then known.dir else node.locked.dir or "");
      description = import (outPath + "/flake.nix");
      inputs = mapAttrs (_: entry: nodes.${keyOf entry}.value) (node.inputs or { });
      outputs = description.outputs (inputs // { self = flake; });
      flake = outputs // sourceInfo // {
        _type = "flake";
        inherit inputs outPath outputs sourceInfo;
      };
    in
    {
      inherit sourceInfo outPath;
      value =
        if !(node.flake or true) then sourceInfo // { inherit outPath sourceInfo; }
        else if isFunction description.outputs then flake
        else throw "the attribute 'outputs' of '${outPath}/flake.nix' is not a function";
    };

  nodes = mapAttrs make lock.nodes;
in
nodes.${lock.root}.value
