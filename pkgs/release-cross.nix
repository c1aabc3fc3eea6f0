# What is cross-built for which platform, as jobs: an attribute for each
# platform, with one for each package.
#
#   saltire build -f pkgs/release-cross.nix --keep-going    everything, and a table of it
#   saltire build -f pkgs/release-cross.nix riscv64         one platform
#   cargo xtask release-cross                               builds, runs, and writes docs/platforms.md
{ system ? builtins.currentSystem, config ? { } }:

let
  pkgs = import ./. { inherit system config; };
  inherit (pkgs) lib;

  # A package, and how to see that it runs: arguments of a program of it, and
  # the text that its output begins with.
  programs = {
    bash = { run = "bin/bash -c 'echo $((6 * 7))'"; says = "42"; };
    binutils = { run = "bin/ld --version"; says = "GNU ld"; };
    bison = { run = "bin/bison --version"; says = "bison (GNU Bison)"; };
    busybox = { run = "bin/busybox expr 6 '*' 7"; says = "42"; };
    bzip2 = { run = "bin/bzip2 --help"; says = "bzip2, a block-sorting file compressor"; };
    coreutils = { run = "bin/echo works"; says = "works"; };
    curl = { run = "bin/curl --version"; says = "curl "; };
    dash = { run = "bin/dash -c 'echo $((6 * 7))'"; says = "42"; };
    diffutils = { run = "bin/diff --version"; says = "diff (GNU diffutils)"; };
    dropbear = { run = "bin/dbclient -V"; says = "Dropbear"; };
    dtc = { run = "bin/dtc --version"; says = "Version: DTC 1.7.2"; };
    expat = null;
    file = { run = "bin/file --version"; says = "file-"; };
    findutils = { run = "bin/find --version"; says = "find (GNU findutils)"; };
    flex = { run = "bin/flex --version"; says = "flex "; };
    gawk = { run = "bin/gawk 'BEGIN { print 6 * 7 }'"; says = "42"; };
    gcc = { run = "bin/gcc --version"; says = "gcc (GCC) "; };
    gnumake = { run = "bin/make --version"; says = "GNU Make"; };
    gnugrep = { run = "bin/grep --version"; says = "grep (GNU grep)"; };
    gnupatch = { run = "bin/patch --version"; says = "GNU patch"; };
    gnused = { run = "bin/sed 's/.*/42/; q' /etc/passwd"; says = "42"; };
    gnutar = { run = "bin/tar --version"; says = "tar (GNU tar)"; };
    gzip = { run = "bin/gzip --version"; says = "gzip "; };
    hello = { run = "bin/hello"; says = "Hello, world!"; };
    kmod = { run = "bin/kmod --version"; says = "kmod version"; };
    less = { run = "bin/less --version"; says = "less "; };
    libffi = null;
    linux = null;
    lz4 = { run = "bin/lz4 --version"; says = "*** LZ4 command line interface"; };
    m4 = { run = "bin/m4 --version"; says = "m4 (GNU M4)"; };
    ncurses = { run = "bin/tput -V"; says = "ncurses "; };
    openssl = { run = "bin/openssl version"; says = "OpenSSL 3"; };
    patchelf = { run = "bin/patchelf --version"; says = "patchelf "; };
    perl = { run = "bin/perl -MList::Util=product -e 'print product(6, 7)'"; says = "42"; };
    pkg-config = { run = "bin/pkg-config --version"; says = "1."; };
    python3 = { run = "bin/python3 -c 'import zlib; print(6 * 7)'"; says = "42"; };
    readline = null;
    sqlite = { run = "bin/sqlite3 :memory: 'select 6 * 7'"; says = "42"; };
    squashfs-tools = { run = "bin/mksquashfs -version"; says = "mksquashfs version"; };
    strace = { run = "bin/strace -V"; says = "strace -- version"; };
    uboot = null;
    tree = { run = "bin/tree --version"; says = "tree v"; };
    # With a compiler, and a C library, from source.
    sourceHello = { run = "bin/hello"; says = "Hello, world!"; };
    sourceCxx = { run = "bin/program"; says = "Hello, C++: 42"; };
    # A C program (tests/toolchains.nix).
    program = { run = "bin/program"; says = "Hello, world!"; };
    xz = { run = "bin/xz --version"; says = "xz (XZ Utils)"; };
    zlib = null;
  };

  inherit (import ./tests/toolchains.nix { inherit pkgs; }) fromSource;
  compiled = (import ./tests/toolchains.nix { inherit pkgs; }).everywhere;

  # What runs a platform's programs where no emulator of QEMU's does: a package of
  # this machine with arguments.
  simulators = {
    avr = "simavr -- -m atmega328p -f 16000000";
    mingwW64 = "wine --";
    wasi32 = "wasi-run --";
  };

  # Why a platform's programs can't be run.
  cannotRun = {
    arc = "QEMU's user-mode emulators know no ARC";
    gnux32 = "programs need a kernel with CONFIG_X86_X32_ABI, which QEMU's emulators don't stand for";
    sh4 = "QEMU 7.2 stops in the dynamic linker, and does not come to an end in static programs";
    mingw32 = "Debian's Wine for this machine runs 64-bit programs only";
  };

  few = [ "hello" "zlib" ];
  some = few ++ [ "bison" "expat" "bzip2" "tree" "ncurses" "readline" "dropbear" "busybox" "strace" "openssl" ];
  every = builtins.attrNames (builtins.removeAttrs programs [ "program" "sourceHello" "sourceCxx" "binutils" "gcc" ]);

  # A compiled program for every platform that has a compiler, and packages for some.
  wanted = lib.mapAttrs (name: _: [ "program" ] ++ packages.${name} or [ ]) compiled;
  packages = {
    riscv64 = lib.remove "uboot" every ++ [ "binutils" "gcc" ];
    sheevaplug = some ++ [ "linux" "uboot" ];
    mips-linux-gnu = some;
    aarch64-multiplatform = every ++ [ "binutils" "gcc" ];
    armv7l-hf-multiplatform = few ++ [ "bison" ];
    mipsel-linux-gnu = few ++ [ "bison" ];
    mips64el-linux-gnuabi64 = few ++ [ "bison" ];
    powernv = few ++ [ "bison" ];
    s390x = few ++ [ "bison" ];
    gnu32 = few ++ [ "bison" ];
    gnu64 = few ++ [ "bison" ];
    riscv64-musl = few ++ [ "busybox" "sourceHello" "sourceCxx" ];
    aarch64-multiplatform-musl = few;
    mips-linux-musl = few;
    mips-linux-uclibc = few ++ [ "tree" ];
  };

  jobsOf = platform: names:
    let
      special = {
        program = compiled.${platform};
        sourceHello = fromSource.${platform}.hello;
        sourceCxx = fromSource.${platform}.helloCxx;
      };
    in
    lib.genAttrs names (name: special.${name} or pkgs.pkgsCross.${platform}.${name})
    // { recurseForDerivations = true; };
in
lib.mapAttrs jobsOf wanted
// {
  # The same as data: what to build, and how to see that it runs.
  list = lib.concatLists (lib.mapAttrsToList
    (platform: map (package: {
      inherit platform package;
      check =
        if programs.${package} == null || cannotRun ? ${platform} then null
        else programs.${package} // { simulator = simulators.${platform} or null; }
          // lib.optionalAttrs (package == "program" && pkgs.pkgsCross.${platform}.stdenv.hostPlatform.isWindows)
            { run = "bin/program.exe"; };
    }))
    wanted);
  # What makes code for each platform (docs/packages.md).
  toolchains = lib.mapAttrs (name: set: set.buildPackages.toolchainKind) pkgs.pkgsCross;
  # Why nothing runs, or is built.
  remarks = lib.filterAttrs (name: remark: remark != null)
    (lib.mapAttrs (name: set: cannotRun.${name} or set.buildPackages.toolchainMissing) pkgs.pkgsCross);
}
