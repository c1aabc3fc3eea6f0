# Gettext's files are in the sources that need them.
export AUTOPOINT=${AUTOPOINT:-true}
autoreconfPhase() {
  runHook preAutoreconf
  autoreconf ${autoreconfFlags:---force --install}
  runHook postAutoreconf
}
if [ -z "${dontAutoreconf-}" ]; then preConfigurePhases+=" autoreconfPhase"; fi

# Macros of other packages.
addAclocalPath() {
  addToSearchPath ACLOCAL_PATH "$1/share/aclocal"
}
addEnvHooks -1 addAclocalPath
addEnvHooks 0 addAclocalPath
