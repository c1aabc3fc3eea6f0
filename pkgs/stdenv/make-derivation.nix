# stdenv.mkDerivation: a package from its attributes.
#
# Every attribute becomes a variable of the build script, except those named
# here that are for this function only. `mkDerivation (finalAttrs: { … })` gets
# the attributes as overrideAttrs leaves them.
{ lib, config, stdenv, isCross }:

let
  inherit (stdenv) buildPlatform hostPlatform targetPlatform;

  # The six kinds of dependency. Each list names the platform that the
  # dependency runs on and, for compilers, the one that it makes code for, as
  # seen from the package: "BuildHost" runs on the build platform and makes code
  # for the host platform. `variant` is the name of that in `__spliced`.
  kinds = [
    { list = "depsBuildBuild"; propagated = "depsBuildBuildPropagated"; variant = "buildBuild"; }
    { list = "nativeBuildInputs"; propagated = "propagatedNativeBuildInputs"; variant = "buildHost"; }
    { list = "depsBuildTarget"; propagated = "depsBuildTargetPropagated"; variant = "buildTarget"; }
    { list = "depsHostHost"; propagated = "depsHostHostPropagated"; variant = "hostHost"; }
    { list = "buildInputs"; propagated = "propagatedBuildInputs"; variant = "hostTarget"; }
    { list = "depsTargetTarget"; propagated = "depsTargetTargetPropagated"; variant = "targetTarget"; }
  ];
  # Names of before nixpkgs settled on the ones above.
  oldNames = {
    buildNativeInputs = "nativeBuildInputs";
    propagatedBuildNativeInputs = "propagatedNativeBuildInputs";
  };

  # The variant of a dependency that belongs into a list.
  choose = variant: dependency:
    if builtins.isAttrs dependency
    then lib.getDev (dependency.__spliced.${variant} or dependency)
    else dependency;
  chooseAll = variant: dependencies:
    map (choose variant)
      (builtins.filter (dependency: dependency != null) (lib.flatten dependencies));

  # Arguments that the build script does not see.
  notForBuilder = [
    "meta" "passthru" "pos" "emulateHost" "checkInputs" "nativeCheckInputs"
    "installCheckInputs" "nativeInstallCheckInputs"
    "configurePlatforms" "buildNativeInputs" "propagatedBuildNativeInputs" "strictDeps"
  ];

  emulationFeature = "emulate-${hostPlatform.system}";
  runsHere = buildPlatform.canExecute hostPlatform;

  # Programs hold all they need (pkgsStatic).
  linksStatically = hostPlatform.isStatic && hostPlatform.isLinux;

  # Store paths of the build machine that a cross-built package never refers to.
  buildMachineOnly = lib.optionals isCross
    ([ stdenv.bootstrapTools ]
      ++ lib.optionals stdenv.hasCC [ stdenv.cc stdenv.cc.cc stdenv.cc.bintools stdenv.cc.bintools.bintools ]);

  # Whether the package says that it works on the host platform.
  checkPlatform = name: meta:
    let
      platforms = map (p: if builtins.isString p then p else "a pattern") (meta.platforms or [ ]);
      shown = lib.concatStringsSep ", " (lib.take 8 platforms)
        + lib.optionalString (builtins.length platforms > 8) " and ${toString (builtins.length platforms - 8)} more";
    in
    config.allowUnsupportedSystem
    || lib.availableOn hostPlatform { inherit meta; }
    || throw "${name} does not support ${hostPlatform.system} (${hostPlatform.config}), only ${shown}; set config.allowUnsupportedSystem = true to try it anyway";

  makePackage = overrideAttrs: attributes:
    let
      renamed = lib.optionalAttrs (attributes ? buildNativeInputs || attributes ? propagatedBuildNativeInputs)
        (lib.mapAttrs'
          (old: new: lib.nameValuePair new (attributes.${new} or [ ] ++ attributes.${old} or [ ]))
          oldNames);
      args = attributes // renamed;

      emulate = args.emulateHost or (config.emulateChecks && args.doCheck or false);
      features = args.requiredSystemFeatures or [ ]
        ++ lib.optional (emulate && !runsHere) emulationFeature;
      # Programs of the host platform can be run while building.
      canRunHost = runsHere || builtins.elem emulationFeature features;
      doCheck = args.doCheck or false && canRunHost;
      doInstallCheck = args.doInstallCheck or false && canRunHost;

      checkLists = {
        nativeBuildInputs =
          lib.optionals doCheck (args.nativeCheckInputs or [ ])
          ++ lib.optionals doInstallCheck (args.nativeInstallCheckInputs or [ ]);
        buildInputs =
          lib.optionals doCheck (args.checkInputs or [ ])
          ++ lib.optionals doInstallCheck (args.installCheckInputs or [ ]);
      };
      dependencies = builtins.listToAttrs (lib.concatMap
        (kind: [
          {
            name = kind.list;
            value = chooseAll kind.variant (args.${kind.list} or [ ] ++ checkLists.${kind.list} or [ ]);
          }
          {
            name = kind.propagated;
            value = chooseAll kind.variant (args.${kind.propagated} or [ ]);
          }
        ])
        kinds);

      pname = args.pname or null;
      # Cross-built packages say for what, so that store paths can be told apart.
      suffix = lib.optionalString isCross "-${hostPlatform.config}";
      name =
        if args ? name then args.name + suffix
        else if pname == null then throw "mkDerivation needs a name, or pname and version"
        else "${pname}${suffix}${lib.optionalString (args ? version) "-${args.version}"}";

      platformFlag = kind: "--${kind}=${stdenv."${kind}Platform".config}";
      # Autoconf tries to run what it compiled when it is told the host platform
      # only; with emulation that works, and it need not guess.
      configurePlatforms =
        args.configurePlatforms or (lib.optionals isCross (lib.optional (!emulate) "build" ++ [ "host" ]));

      outputs = args.outputs or [ "out" ];

      meta = {
        inherit name;
        position = lib.mapNullable (pos: "${pos.file}:${toString pos.line}") position;
        outputsToInstall = lib.take 1 (builtins.filter (o: builtins.elem o outputs) [ "bin" "out" ] ++ outputs);
      } // args.meta or { };
      position = args.pos or
        (builtins.unsafeGetAttrPos (if args ? pname then "pname" else "name") attributes);

      forBuilder = builtins.removeAttrs args notForBuilder // dependencies // {
        inherit name outputs stdenv doCheck doInstallCheck;
        system = buildPlatform.system;
        builder = args.realBuilder or stdenv.shell;
        args = args.args or [ "-e" (args.builder or ./builder.sh) ];
        strictDeps = true;
        configureFlags = args.configureFlags or [ ] ++ map platformFlag configurePlatforms
          # An autoconf package is told so twice.
          ++ lib.optionals (linksStatically && configurePlatforms != [ ]) [ "--enable-static" "--disable-shared" ];
        # Checked when the build is done: see verifyMachine in setup.sh.
        hostMachine = toString hostPlatform.elfMachine;
        hostElfClass = toString hostPlatform.elfClass;
        hostByteOrder = if hostPlatform.isLittleEndian then "little" else "big";
        __ignoreNulls = true;
      }
      // lib.optionalAttrs isCross {
        crossConfig = hostPlatform.config;
        disallowedReferences = args.disallowedReferences or [ ] ++ buildMachineOnly;
      }
      // lib.optionalAttrs (hostPlatform.hasSharedLibraries && hostPlatform.isElf) { linksSharedLibraries = true; }
      // lib.optionalAttrs linksStatically { dontDisableStatic = true; }
      // lib.optionalAttrs (features != [ ]) { requiredSystemFeatures = features; };

      passthru = {
        inherit meta overrideAttrs stdenv;
        passthru = args.passthru or { };
        ${if args ? version then "version" else null} = args.version;
        ${if pname != null then "pname" else null} = pname;
      }
      // dependencies
      // args.passthru or { };
    in
    lib.extendDerivation (checkPlatform name meta)
      passthru
      (derivation forBuilder);

  # The fixed point of the attributes, and how overrideAttrs extends it.
  build = function:
    let
      attributes = function (attributes // { inherit finalPackage overrideAttrs; });
      overrideAttrs = change: build (lib.extends (lib.toExtension change) function);
      finalPackage = makePackage overrideAttrs attributes;
    in
    finalPackage;
in
attributes: build (lib.toFunction attributes)
