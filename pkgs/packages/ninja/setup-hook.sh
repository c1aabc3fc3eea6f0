# Builds with ninja where there is a build.ninja, unless the package has phases
# of its own.
ninjaBuildPhase() {
  runHook preBuild
  local flags=()
  appendFlags flags ninjaFlags
  ninja ${NIX_BUILD_CORES:+-j$NIX_BUILD_CORES} "${flags[@]}"
  runHook postBuild
}
ninjaCheckPhase() {
  runHook preCheck
  ninja ${checkTarget:-test}
  runHook postCheck
}
ninjaInstallPhase() {
  runHook preInstall
  ninja ${installTargets:-install}
  runHook postInstall
}
if [ -z "${dontUseNinja-}" ]; then
  : "${buildPhase:=ninjaBuildPhase}" "${checkPhase:=ninjaCheckPhase}" "${installPhase:=ninjaInstallPhase}"
fi
