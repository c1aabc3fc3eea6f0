{ lib, stdenv, debianSource, buildPackages }:

let source = debianSource "busybox";
in
stdenv.mkDerivation {
  pname = "busybox";
  inherit (source) version src;
  configurePhase = ''
    runHook preConfigure
    make defconfig
    # A terminal library and headers of kernels that nobody runs any more.
    sed -i -e 's/^CONFIG_TC=y/# CONFIG_TC is not set/' -e 's/^CONFIG_FEATURE_HAVE_RPC=y/# CONFIG_FEATURE_HAVE_RPC is not set/' \
      -e 's/^CONFIG_FEATURE_INETD_RPC=y/# CONFIG_FEATURE_INETD_RPC is not set/' .config
    sed -i 's|^CONFIG_PREFIX=.*|CONFIG_PREFIX="'"$out"'"|' .config
    runHook postConfigure
  '';
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  makeFlags = [ "HOSTCC=gcc" "CROSS_COMPILE=${stdenv.cc.targetPrefix}" "ARCH=${stdenv.hostPlatform.linuxArch}" "SKIP_STRIP=y" ];
  installTargets = "install";
  meta = {
    description = "Many small programs in one";
    homepage = "https://busybox.net/";
    license = lib.licenses.gpl2Only;
    platforms = lib.platforms.linux;
    mainProgram = "busybox";
  };
}
