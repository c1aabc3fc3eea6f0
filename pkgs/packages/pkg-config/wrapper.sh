#!@shell@
# pkg-config, with the packages of the platform that code is made for only.
path=
case ${NIX_PKG_CONFIG_TARGET_HOST_@suffixSalt@-} in 1) path=$path:${PKG_CONFIG_PATH-} ;; esac
case ${NIX_PKG_CONFIG_TARGET_BUILD_@suffixSalt@-} in 1) path=$path:${PKG_CONFIG_PATH_FOR_BUILD-} ;; esac
case ${NIX_PKG_CONFIG_TARGET_TARGET_@suffixSalt@-} in 1) path=$path:${PKG_CONFIG_PATH_FOR_TARGET-} ;; esac
PKG_CONFIG_PATH=${path#:} exec @unwrapped@/bin/pkg-config "$@"
