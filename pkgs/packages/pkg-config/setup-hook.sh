# The program's name, and where it looks, in the role that this wrapper has (see
# the setup hook of the binutils wrapper).
toolRole "$targetOffset"
export NIX_PKG_CONFIG_TARGET${roleName}_@suffixSalt@=1
export "PKG_CONFIG$roleSuffix=@targetPrefix@pkg-config"

addPkgConfigPath() {
  addToSearchPath "PKG_CONFIG_PATH$dependencySuffix" "$1/lib/pkgconfig"
  addToSearchPath "PKG_CONFIG_PATH$dependencySuffix" "$1/share/pkgconfig"
}
addEnvHooks "$targetOffset" addPkgConfigPath
