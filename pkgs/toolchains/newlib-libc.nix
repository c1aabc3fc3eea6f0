# The C library newlib for a platform without an operating system, compiled with an
# unwrapped compiler that needs no C library. Next to it lie the start files and system
# calls of boards and debuggers (libgloss), each chosen by a file for GCC's `--specs`.
{ lib, stdenv, debianSource, platform, compiler, binutils }:

let
  source = debianSource "newlib";
  machine = import ./machine-flags.nix { inherit lib platform; };
  tools = "${binutils}/${binutils.toolDirectory}";
in
stdenv.mkDerivation {
  pname = "newlib-${platform.config}";
  inherit (source) version src;
  preConfigure = ''
    configureScript=$PWD/configure
    mkdir -p "$NIX_BUILD_TOP/build"
    cd "$NIX_BUILD_TOP/build"
    # Neither the native compiler's flags nor its preprocessor are for the target.
    unset NIX_CFLAGS_COMPILE NIX_LDFLAGS CPP CXXCPP
    export CC_FOR_TARGET="${compiler}/bin/${compiler.programPrefix}gcc -B${tools}/ ${toString machine}"
    export CFLAGS_FOR_TARGET="-O2 -ffunction-sections -fdata-sections"
    for tool in ar as ld nm objcopy objdump ranlib readelf strip; do
      export "''${tool^^}_FOR_TARGET=${tools}/$tool"
    done
  '';
  configurePlatforms = [ ];
  configureFlags = [
    "--target=${platform.config}" "--disable-multilib" "--disable-nls" "--disable-newlib-supplied-syscalls"
    "--enable-newlib-io-long-long" "--enable-newlib-io-c99-formats"
  ];
  makeFlags = [ "MAKEINFO=true" ];
  # libgloss is installed beside newlib, which makes the directory.
  preInstall = ''mkdir -p "$out/${platform.config}/lib"'';
  dontDisableStatic = true;
  dontSetOutputFlags = true;
  dontMoveOutputs = true;
  # All of it is for another machine.
  dontStrip = true;
  dontPatchELF = true;
  dontVerifyMachine = true;
  postInstall = ''
    mv "$out/${platform.config}"/* "$out/"
    rmdir "$out/${platform.config}"
    rm -rf "$out/share"
    if [ ! -e "$out/lib/libc.a" ]; then die "newlib installed no libc.a"; fi
  '';
  disallowedReferences = [ compiler binutils ];
  meta = {
    description = "C library for programs without an operating system, here for ${platform.config}";
    homepage = "https://sourceware.org/newlib/";
    license = lib.licenses.bsd3;
  };
}
