{ lib, stdenv, stdenvNoCC, debianSource, targetPlatform, buildPlatform, hostPlatform }:

# The program for `hostPlatform`, and a wrapper that makes it look for libraries
# of the platform that code is made for, under that platform's name.
let
  source = debianSource "pkgconf";
  unwrapped = stdenv.mkDerivation {
    pname = "pkgconf";
    inherit (source) version src;
    configureFlags = [ "--with-pkg-config-dir=/no-pkg-config-path" "--with-system-includedir=/no-include" "--with-system-libdir=/no-lib" ];
    postInstall = ''
      ln -s pkgconf "$out/bin/pkg-config"
    '';
    inherit meta;
  };
  meta = {
    description = "Tells compilers where libraries are";
    homepage = "http://pkgconf.org/";
    license = lib.licenses.isc;
    platforms = lib.platforms.unix;
    mainProgram = "pkg-config";
  };
  targetPrefix = lib.optionalString (!lib.systems.equals hostPlatform targetPlatform) "${targetPlatform.config}-";
  suffixSalt = lib.replaceStrings [ "-" "." ] [ "_" "_" ] targetPlatform.config;
in
if !lib.systems.equals buildPlatform hostPlatform then unwrapped
else stdenvNoCC.mkDerivation {
  name = "${targetPrefix}pkg-config-wrapper-${source.version}";
  inherit targetPrefix suffixSalt unwrapped;
  hook = ./setup-hook.sh;
  wrapper = ./wrapper.sh;
  buildCommand = ''
    mkdir -p "$out/bin" "$out/nix-support"
    for file in "$wrapper:$out/bin/''${targetPrefix}pkg-config" "$hook:$out/nix-support/setup-hook"; do
      substitute "''${file%%:*}" "''${file#*:}" --subst-var targetPrefix --subst-var suffixSalt \
        --subst-var unwrapped --subst-var-by shell "$SHELL"
    done
    chmod +x "$out/bin/''${targetPrefix}pkg-config"
    # Macros for configure scripts.
    mkdir "$out/share"
    ln -s "$unwrapped/share/aclocal" "$out/share/"
  '';
  passthru = { inherit unwrapped; pkg-config = unwrapped; };
  inherit meta;
}
