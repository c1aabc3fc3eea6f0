# The compiler's names, and -isystem for headers, in the role that this wrapper
# has (see the setup hook of the binutils wrapper).
toolRole "$targetOffset"
export NIX_CC_TARGET${roleName}_@suffixSalt@=1
export "CC$roleSuffix=@targetPrefix@@c@" "CPP$roleSuffix=@targetPrefix@@cpp@"
if [ -n "@cxx@" ]; then export "CXX$roleSuffix=@targetPrefix@@cxx@"; fi
# Cargo links with the same compiler; it and Go make code for the host platform.
export CARGO_TARGET_@cargoTarget@_LINKER=@targetPrefix@@c@
if [ "$targetOffset" = 0 ] && [ -n "@targetPrefix@" ]; then
  export CARGO_BUILD_TARGET=@rustTarget@ CGO_ENABLED=1 @goVariables@
fi

addHeaderFlags() {
  local package=$1 flags="NIX_CFLAGS_COMPILE$dependencySuffix"
  if [ -d "$package/include" ]; then
    export "$flags=${!flags-} -isystem $package/include"
  fi
}
addEnvHooks "$targetOffset" addHeaderFlags
