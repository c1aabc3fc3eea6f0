{ lib, stdenv, debianSource, perl }:

let
  source = debianSource "openssl";
  platform = stdenv.hostPlatform;
  inherit (platform.parsed) cpu;
  # Where OpenSSL has no assembly code or no name for a platform, a generic one does; so
  # it does for MIPS, where its options name other processors than the compiler makes code for.
  target = platform.openssl.system or {
    x86_64 = "linux-x86_64";
    aarch64 = "linux-aarch64";
    i686 = "linux-x86";
    armv7l = "linux-armv4";
    armv6l = "linux-armv4";
    armv5tel = "linux-armv4";
    riscv64 = "linux64-riscv64";
    powerpc64le = "linux-ppc64le";
    s390x = "linux64-s390x";
  }.${cpu.name} or (if platform.is64bit then "linux-generic64" else "linux-generic32");
in
stdenv.mkDerivation {
  pname = "openssl";
  inherit (source) version src;
  outputs = [ "out" "dev" ];
  nativeBuildInputs = [ perl ];
  # A script of its own, with names of its own for platforms.
  configurePhase = ''
    runHook preConfigure
    patchShebangs .
    perl ./Configure ${target} --prefix="$out" --libdir=lib --openssldir=/etc/ssl shared no-tests \
      --cross-compile-prefix= CC="$CC" AR="$AR" RANLIB="$RANLIB"
    runHook postConfigure
  '';
  installTargets = "install_sw";
  postInstall = ''
    rm -f "$out/bin/c_rehash" "$out"/lib/*.a
    # How it was configured, with paths of compilers.
    rm -rf "$out/lib/cmake"
  '';
  meta = {
    description = "Cryptography and TLS";
    homepage = "https://www.openssl.org/";
    license = lib.licenses.asl20;
    platforms = lib.platforms.unix;
    mainProgram = "openssl";
  };
}
