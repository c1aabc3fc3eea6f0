# Names of the tools, and -L for libraries, in the role that this wrapper has.
# `targetOffset` is where, relative to the package that is built, the code runs
# that the tools make: -1 build, 0 host, 1 target.
toolRole "$targetOffset"
export NIX_BINTOOLS_TARGET${roleName}_@suffixSalt@=1
for tool in ar as ld nm objcopy objdump ranlib readelf size strings strip; do
  if [ -e "@out@/bin/@targetPrefix@$tool" ]; then
    export "${tool^^}$roleSuffix=@targetPrefix@$tool"
  fi
done
unset tool

addLibraryFlags() {
  local package=$1 flags="NIX_LDFLAGS$dependencySuffix" directory
  for directory in lib lib64; do
    if [ -d "$package/$directory" ] && [ ! -L "$package/$directory" ]; then
      export "$flags=${!flags-} -L$package/$directory"
    fi
  done
}
addEnvHooks "$targetOffset" addLibraryFlags
