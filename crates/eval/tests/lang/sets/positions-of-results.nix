let
  set = { a = 1; b = 2; };
  identity = name: value: value;
  place = set:
    let found = builtins.unsafeGetAttrPos "a" set;
    in if found == null then null else [ found.line found.column ];
in {
  dynamic = place { ${"a"} = 1; };
  filtered = place (removeAttrs set [ "b" ]);
  grouped = place (builtins.groupBy (x: "a") [ 1 ]);
  intersected = place (builtins.intersectAttrs { a = 0; } set);
  listed = place (builtins.listToAttrs [ { name = "a"; value = 1; } ]);
  mapped = place (builtins.mapAttrs identity set);
  mappedAndUpdated = place (builtins.mapAttrs identity set // { b = 3; });
  pattern = place (builtins.functionArgs ({ a, b ? a }: b));
  zipped = place (builtins.zipAttrsWith identity [ set set ]);
}
