# A bootstrap seed for machines that Debian has no packages of: the same tools,
# cross-built by this package set. It is grown on one kind of machine always, so
# that its paths are the same wherever it is asked for.
#
# `grower` is the package set for `localPlatform` on that machine, `debian` the seed
# that it was grown from. Emulators and other programs that only Debian's packages
# hold are missing.
{ lib, localPlatform, grower, debian }:

let
  inherit (grower) buildPackages;

  tools = lib.extendDerivation true
    { pname = "seed-tools"; shellPath = "/bin/bash"; meta.description = "Tools cross-built for ${localPlatform.config}"; }
    (derivation {
      name = "seed-tools-${localPlatform.config}";
      inherit (buildPackages.stdenv.buildPlatform) system;
      builder = buildPackages.stdenv.shell;
      PATH = "${buildPackages.bootstrapTools}/bin";
      args = [ "-ec" ''
        mkdir -p "$out/bin"
        for package in $packages; do
          for program in "$package"/bin/*; do ln -sf "$program" "$out/bin/"; done
        done
        ln -sf bash "$out/bin/sh"
        ln -sf gawk "$out/bin/awk"
      '' ];
      packages = with grower; [
        bash coreutils findutils diffutils gnused gnugrep gawk gnutar gzip bzip2 xz gnumake gnupatch patchelf
      ];
    });

  isOwn = platform: lib.systems.equals platform localPlatform;
  compiler = grower."gcc${major}-unwrapped";
  major = "12";

  missing = what: throw "there is no ${what} for build machines of kind ${localPlatform.config}: Debian has no packages of them";
in
{
  # Whether Debian has programs of the build machine.
  exists = false;

  inherit (debian) lock kernelHeadersFor;
  inherit tools;

  libcFor = platform: if isOwn platform then grower.libc else missing "prebuilt C library for ${platform.config}";
  gccLibsFor = platform: if isOwn platform then compiler.lib // { inherit (compiler) libDir; } else missing "library of GCC for ${platform.config}";
  binutilsFor = platform: if isOwn platform then grower.binutils-unwrapped else missing "prebuilt assembler for ${platform.config}";
  gccFor = platform: version: if isOwn platform && version == major then compiler else missing "prebuilt GCC ${version} for ${platform.config}";
  hasGcc = platform: version: isOwn platform && version == major;

  # What stands for the package `pname` out of Debian's.
  package = { pname, ... }: grower.${pname};

  librariesFor = platform: missing "library for ${platform.config}";

  # The sandbox's /bin/sh.
  sandboxShell = grower.pkgsStatic.busybox;
  emulators = lib.mapAttrs (name: _: missing "emulator qemu-${name}") lib.systems.emulator;
  allEmulators = missing "emulator";
}
