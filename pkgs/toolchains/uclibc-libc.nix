# The C library uClibc-ng for a platform, compiled with an unwrapped compiler that
# needs no C library.
{ lib, stdenv, debianSource, platform, kernelHeaders, compiler, binutils, flags ? [ ] }:

let
  source = debianSource "uclibc";
  machine = import ./machine-flags.nix { inherit lib platform; };
  # What Kconfig does not find out, and what programs expect to be there. Anything
  # else is as its default is.
  settings = {
    "TARGET_${if platform.isMips then "mips" else if platform.isAarch32 then "arm" else platform.parsed.cpu.name}" = true;
    ARCH_WANTS_BIG_ENDIAN = !platform.isLittleEndian;
    ARCH_WANTS_LITTLE_ENDIAN = platform.isLittleEndian;
    KERNEL_HEADERS = "${kernelHeaders}/include";
    RUNTIME_PREFIX = placeholder "out";
    DEVEL_PREFIX = placeholder "out";
    MULTILIB_DIR = "lib";
    CROSS_COMPILER_PREFIX = "";
    UCLIBC_EXTRA_CFLAGS = "";
    WARNINGS = "";
    UCLIBC_HAS_THREADS_NATIVE = true;
    UCLIBC_HAS_WCHAR = true;
    # C++ needs it. It becomes a part of libc.
    DO_C99_MATH = true;
    UCLIBC_HAS_LOCALE = false;
    UCLIBC_HAS_IPV6 = true;
    UCLIBC_HAS_FOPEN_LARGEFILE_MODE = true;
    UCLIBC_HAS_GNU_GETOPT = true;
    UCLIBC_HAS_GETOPT_LONG = true;
    UCLIBC_HAS_ARGP = true;
    UCLIBC_HAS_OBSTACK = true;
    UCLIBC_HAS_PROGRAM_INVOCATION_NAME = true;
    UCLIBC_SUSV3_LEGACY = true;
    UCLIBC_SUSV4_LEGACY = true;
    UCLIBC_BSD_SPECIFIC = true;
    UCLIBC_GNU_SPECIFIC = true;
    UCLIBC_HAS_FNMATCH = true;
    UCLIBC_HAS_WORDEXP = true;
    UCLIBC_HAS_FTW = true;
    UCLIBC_HAS_GLOB = true;
    UCLIBC_HAS_REGEX = true;
    UCLIBC_USE_NETLINK = true;
    LDSO_RUNPATH = true;
    # MIPS has one of its own, which this version does not know.
    LDSO_GNU_HASH_SUPPORT = !platform.isMips;
    DOSTRIP = false;
  } // lib.optionalAttrs (platform.gcc.float or "hard" == "soft") { UCLIBC_HAS_FPU = false; };
  line = name: value:
    if value == true then "${name}=y"
    else if value == false then "# ${name} is not set"
    else ''${name}="${value}"'';
in
import ./c-library.nix { inherit stdenv platform kernelHeaders; } {
  pname = "uclibc-${platform.config}";
  inherit (source) version src;
  configuration = lib.concatStringsSep "\n" (lib.mapAttrsToList line settings) + "\n";
  passAsFile = [ "configuration" ];
  configurePhase = ''
    runHook preConfigure
    unset NIX_CFLAGS_COMPILE NIX_LDFLAGS
    tools=$NIX_BUILD_TOP/tools
    mkdir -p "$tools"
    for tool in as ld ld.bfd ar nm objcopy objdump ranlib readelf strip; do
      ln -s "${binutils}/bin/${binutils.programPrefix}$tool" "$tools/$tool"
    done
    makeFlagsArray+=(V=1 HOSTCC=gcc
      "CC=${compiler}/bin/${compiler.programPrefix}gcc${compiler.programSuffix} -B$tools ${toString (machine ++ flags)}"
      "AR=$tools/ar" "LD=$tools/ld" "NM=$tools/nm" "OBJCOPY=$tools/objcopy" "OBJDUMP=$tools/objdump"
      "RANLIB=$tools/ranlib" "READELF=$tools/readelf" "STRIPTOOL=$tools/strip")
    cp "$configurationPath" .config
    makeCommand olddefconfig
    runHook postConfigure
  '';
  postInstall = ''
    # Linker scripts with bare names: the linker looks below the sysroot.
    for file in "$out"/lib/*.so; do
      if [ ! -L "$file" ] && [ "$(head -c 4 "$file")" != $'\177ELF' ]; then
        sed "s|$out/lib/||g" "$file" > "$dev/lib/''${file##*/}"
        rm "$file"
      fi
    done
    for file in "$out"/lib/*.so.*; do ln -s "$file" "$dev/lib/"; done
    if [ ! -e "$dev/lib/libm.a" ]; then "$tools/ar" qcs "$dev/lib/libm.a"; fi
    if [ ! -e "$out/lib/$loader" ]; then ln -s "$(cd "$out/lib" && echo ld*-uClibc.so.1)" "$out/lib/$loader"; fi
  '';
  disallowedReferences = [ compiler binutils ];
  meta = {
    description = "C library for embedded systems, here for ${platform.config}";
    homepage = "https://www.uclibc-ng.org/";
    license = lib.licenses.lgpl21Plus;
  };
}
