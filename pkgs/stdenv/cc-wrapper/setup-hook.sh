# The compiler's names, and -isystem for headers, in the role that this wrapper
# has (see the setup hook of the binutils wrapper).
toolRole "$targetOffset"
export NIX_CC_TARGET${roleName}_@suffixSalt@=1
export "CC$roleSuffix=@targetPrefix@gcc" "CXX$roleSuffix=@targetPrefix@g++" "CPP$roleSuffix=@targetPrefix@cpp"

addHeaderFlags() {
  local package=$1 flags="NIX_CFLAGS_COMPILE$dependencySuffix"
  if [ -d "$package/include" ]; then
    export "$flags=${!flags-} -isystem $package/include"
  fi
}
addEnvHooks "$targetOffset" addHeaderFlags
