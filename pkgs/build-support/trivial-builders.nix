# Small derivations.
{ lib, stdenv, stdenvNoCC }:

rec {
  # A derivation that runs a few lines of shell.
  runCommandWith = { stdenv ? stdenvNoCC, derivationArgs ? { } }: name: script:
    stdenv.mkDerivation ({
      inherit name;
      buildCommand = script;
      passAsFile = [ "buildCommand" ] ++ derivationArgs.passAsFile or [ ];
    } // builtins.removeAttrs derivationArgs [ "passAsFile" ]);
  runCommand = name: env: runCommandWith { derivationArgs = env; } name;
  runCommandLocal = name: env: runCommand name ({ preferLocalBuild = true; } // env);
  runCommandCC = name: env: runCommandWith { inherit stdenv; derivationArgs = env; } name;

  writeTextFile = { name, text, executable ? false, destination ? "" }:
    runCommandLocal name { inherit text executable destination; passAsFile = [ "text" ]; } ''
      target=$out$destination
      mkdir -p "$(dirname "$target")"
      cp "$textPath" "$target"
      if [ -n "$executable" ]; then chmod +x "$target"; fi
    '';
  writeText = name: text: writeTextFile { inherit name text; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text:
    writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };
  writeShellScript = name: text: writeScript name "#!${stdenv.shell}\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!${stdenv.shell}\n${text}";

  # A tree of links into several packages.
  symlinkJoin = { name, paths, postBuild ? "" }:
    runCommandLocal name { inherit paths; passAsFile = [ "paths" ]; } ''
      mkdir -p "$out"
      for package in $(cat "$pathsPath"); do
        cp -rsn --no-preserve=mode "$package"/. "$out"/
      done
      ${postBuild}
    '';

  # A setup hook as a package.
  makeSetupHook = { name ? "hook", propagatedBuildInputs ? [ ], substitutions ? { } }: script:
    runCommandLocal name { inherit propagatedBuildInputs; strictDeps = true; } ''
      mkdir -p $out/nix-support
      cp ${script} $out/nix-support/setup-hook
      chmod +w $out/nix-support/setup-hook
      ${lib.concatStrings (lib.mapAttrsToList
        (name: value: "substituteInPlace $out/nix-support/setup-hook --replace @${name}@ ${lib.escapeShellArg value}\n")
        substitutions)}
      recordPropagatedDependencies
    '';
}
