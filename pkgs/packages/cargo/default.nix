{ lib, stdenv, fromSeed, targetPackages }:

# Cargo and rustc. Which platform they make code for, CARGO_BUILD_TARGET says, and
# with which linker, CARGO_TARGET_…_LINKER: the C compiler's wrapper sets both
# (stdenv/cc-wrapper). Rust's standard library is there for the build machine and,
# where the lock file has Debian's, for the target platform.
let
  target = stdenv.targetPlatform;
  isCross = !lib.systems.equals stdenv.buildPlatform target;
  # Said when it is built for such a target, not when it is only named.
  library = targetPackages.debianLibraries { pname = "rust-std"; debs = [ "libstd-rust-dev" ]; };
in
fromSeed {
  pname = "cargo";
  debs = [
    "cargo" "rustc" "libstd-rust-1.63" "libstd-rust-dev" "libllvm14" "libedit2" "libffi8" "libxml2"
    "libz3-4" "libbsd0" "libicu72" "libmd0" "libcurl3-gnutls" "libgit2-1.5" "libssh2-1" "libssl3"
    "libbrotli1" "libgnutls30" "libgssapi-krb5-2" "libidn2-0" "libldap-2.5-0" "libnettle8"
    "libnghttp2-14" "libpsl5" "librtmp1" "libhttp-parser2.9" "libmbedcrypto7" "libmbedtls14"
    "libmbedx509-1" "libhogweed6" "libp11-kit0" "libtasn1-6" "libunistring2" "libcom-err2"
    "libk5crypto3" "libkrb5-3" "libkrb5support0" "libsasl2-2" "libkeyutils1" "libdb5.3"
  ];
  wrap.cargo = [ "CARGO_HOME=\${CARGO_HOME:-$NIX_BUILD_TOP/cargo}" "RUSTC=\${RUSTC:-rustc}" ];
  commands = ''
    # One sysroot for both platforms.
    mkdir -p "$out/lib/rustlib"
    ln -s $tree/lib/rustlib/* "$out/lib/rustlib/"
    ${lib.optionalString isCross ''
      ln -s ${library}/lib/rustlib/${target.rust.rustcTarget} "$out/lib/rustlib/"
    ''}
    rm "$out/bin/rustc"
    printf '#!%s\nexec %s/bin/rustc --sysroot %s "$@"\n' "$SHELL" "$tree" "$out" > "$out/bin/rustc"
    chmod +x "$out/bin/rustc"
  '';
  meta = {
    description = "Rust's build tool and compiler, to run in builds";
    homepage = "https://www.rust-lang.org/";
    license = lib.licenses.asl20;
    mainProgram = "cargo";
  };
}
