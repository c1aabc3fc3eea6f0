# What packages say about themselves.
{ lib }:

rec {
  addMetaAttrs = meta: package: package // { meta = package.meta or { } // meta; };
  setName = name: package: package // { inherit name; };
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  hiPrio = setPrio (-10);
  # The program that `run` starts: the declared one, else the package's name.
  getExe = package: "${lib.getBin package}/bin/${package.meta.mainProgram or (lib.getName package)}";
  getExe' = package: program: "${lib.getBin package}/bin/${program}";

  # Whether an entry of `meta.platforms` (a system, or a pattern of attributes of
  # an elaborated platform) fits the platform.
  platformMatch = platform: entry:
    if builtins.isString entry then platform.system == entry
    else lib.matchAttrs
      (if entry ? parsed || entry ? system then entry else { parsed = entry; })
      platform;
  availableOn = platform: package:
    builtins.any (platformMatch platform) (package.meta.platforms or [ platform.system ])
    && !builtins.any (platformMatch platform) (package.meta.badPlatforms or [ ]);
}
