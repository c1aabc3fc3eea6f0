# The bootstrap seed: Debian's binary packages, pinned by the lock file and
# unpacked into relocatable trees in the store. Everything else is built with
# these; nothing from the machine is used.
#
# One tree per purpose, so that what is built refers to little: programs link to
# the run-time half of a C library only, never to headers or a compiler.
{ lib, localPlatform }:

let
  lockFile = ./debian.lock.json;
  lock = lib.importJSON lockFile;

  # Large parts of GCC that no build here uses.
  unneededOfGcc = [
    "bin/*-lto-dump-*" "bin/*-gcov*" "bin/gcov*" "bin/lto-dump*"
    "lib/gcc*/*/*/plugin" "lib/gcc*/*/*/libcc1.so"
  ];

  # The Debian architecture whose index lists the build machine's packages.
  localArch = localPlatform.debian.arch;
  index = lock.packages.${toString localArch} or (throw
    "there is no bootstrap seed for build machines of kind ${localPlatform.config}: the lock file has ${lib.concatStringsSep ", " (lib.attrNames lock.packages)}");

  fetchDeb = package: derivation {
    # The store allows fewer characters than Debian's file names have.
    name = lib.replaceStrings [ "~" "%3a" "%" ] [ "-" "-" "-" ] (baseNameOf package.path);
    system = "builtin";
    builder = "builtin:fetchurl";
    url = "mirror://debian/${package.path}";
    urls = [ "mirror://debian/${package.path}" ];
    outputHash = package.sha256;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    executable = false;
    unpack = false;
    preferLocalBuild = true;
  };
  findDeb = findIn localArch index;
  findIn = arch: index: name: index.${name} or (throw
    "the Debian package '${name}' (${arch}) is not in the lock file: add it to pkgs/seed/packages.toml and run `cargo xtask relock`");
  versionOf = name: lib.versions.upstream (findDeb name).version;

  # Documentation and whatever else no build reads.
  neverNeeded = [
    "share/doc" "share/man" "share/info" "share/locale" "share/lintian" "share/bug"
    "share/gdb" "share/gcc" "share/doc-base" "share/menu" "share/pixmaps" "share/applications"
    "etc"
  ];

  # One tree out of several packages.
  tree = { pname, version ? versionOf (builtins.head debs), debs, remove ? [ ], passthru ? { }, ... }@arguments:
    lib.extendDerivation true
      ({
        inherit pname version;
        meta.description = "Debian's ${lib.concatStringsSep ", " debs}, unpacked";
      } // passthru)
      (derivation ({
        name = "${pname}-${version}";
        system = "builtin";
        builder = "builtin:unpack-deb";
        debs = map (name: fetchDeb (findDeb name)) debs;
        remove = neverNeeded ++ remove;
      } // builtins.removeAttrs arguments [ "pname" "version" "debs" "remove" "passthru" ]));

  # Libraries of a target platform, out of its own packages, with headers: for what
  # is not built from source. They lie in lib/<triple>.
  librariesFor = platform: { pname, debs }:
    let
      inherit (platform.prebuilt) arch triple;
      foreign = lock.packages.${toString arch} or (throw
        "the lock file has no libraries of Debian's for ${platform.config}");
      libraries = derivation {
        name = "${pname}-${platform.config}";
        system = "builtin";
        builder = "builtin:unpack-deb";
        debs = map (name: fetchDeb (findIn arch foreign name)) debs;
        dependencies = [ (libcFor platform) (gccLibsFor platform) ];
        remove = neverNeeded ++ [ "lib/*/*.a" "bin" ];
      };
    in
    lib.extendDerivation true { libDir = "lib/${triple}"; meta = { }; } libraries;

  # A Debian package name has no underscore.
  dashes = lib.replaceStrings [ "_" ] [ "-" ];

  # How Debian names the compiler and libraries for a platform, from this one.
  namesFor = platform:
    let
      inherit (platform.prebuilt) arch triple;
      isLocal = arch == localArch;
    in
    if platform.prebuilt == null
    then throw "the seed has no toolchain for ${platform.config}"
    else {
      inherit isLocal triple;
      dashedTriple = dashes triple;
      # Directory of libraries and of headers within a tree.
      libDir = if isLocal then "lib/${triple}" else "lib";
      gccDir = if isLocal then "lib/gcc" else "lib/gcc-cross";
      # Cross packages have everything below /usr/<triple>; `usr` lets the result
      # be a sysroot.
      subtree = lib.optionalAttrs (!isLocal) { subtree = triple; links = [ "usr=." ]; };
      # Versions in names differ between architectures: libc6.1 on alpha, libgcc-s2
      # on m68k, libgcc-s4 on hppa.
      library = name:
        let
          cross = name: if isLocal then name else "${name}-${arch}-cross";
          others = {
            libc6 = [ "libc6.1" ];
            libc6-dev = [ "libc6.1-dev" ];
            libgcc-s1 = [ "libgcc-s2" "libgcc-s4" ];
          }.${name} or [ ];
        in
        lib.findFirst (n: index ? ${n}) (cross name) (map cross ([ name ] ++ others));
      program = name: if isLocal then name else "${name}-${dashes triple}";
      programPrefix = "${triple}-";
    };

  # The C library. `out` is what programs need when they run; `dev`, which is
  # the compiler's sysroot, adds headers, start files and static libraries.
  libcFor = platform:
    let
      names = namesFor platform;
      inherit (names) library libDir;
      extra = lib.optionals names.isLocal;
      # Version 2.36 and newer of Debian's package: libcrypt is a package of its own.
      runtime = tree ({
        pname = "glibc-${platform.config}";
        version = versionOf (library "libc6");
        debs = [ (library "libc6") ] ++ extra [ "libcrypt1" ];
      } // names.subtree);
      dev = tree ({
        pname = "glibc-dev-${platform.config}";
        version = versionOf (library "libc6-dev");
        debs = [ (library "libc6-dev") (library "linux-libc-dev") ] ++ extra [ "libcrypt-dev" ];
        dependencies = [ runtime ];
        remove = [ "bin" "sbin" ];
      } // names.subtree);
      # Cross libraries lie flat, but the interpreter where it conventionally is.
      loader =
        if names.isLocal then "/${libDir}/${baseNameOf platform.dynamicLinker}"
        else platform.dynamicLinker;
    in
    runtime // {
      inherit dev libDir;
      bin = runtime;
      name = "glibc-${runtime.version}";
      # The program interpreter and the directory of libc.so.6, in the store.
      dynamicLinker = "${runtime}${loader}";
      libraryPath = "${runtime}/${libDir}";
    };

  # Linux's headers for a platform, for C libraries that are built from source.
  kernelHeadersFor = platform:
    let names = namesFor platform;
    in
    tree ({
      pname = "linux-headers-${platform.config}";
      debs = [ (names.library "linux-libc-dev") ];
      passthru.pname = "linux-headers";
    } // (if names.isLocal then { links = [ "include/asm=${names.triple}/asm" ]; } else names.subtree));

  # GCC's run-time libraries (libgcc_s, libstdc++, …) for a platform.
  gccLibsFor = platform:
    let names = namesFor platform;
    in
    tree ({
      pname = "gcc-libs-${platform.config}";
      debs = map names.library [ "libgcc-s1" "libstdc++6" "libgomp1" "libatomic1" ];
      dependencies = [ (libcFor platform) ];
      passthru = { inherit (names) libDir; };
    } // names.subtree);

  # Libraries of the seed's own programs.
  libraries = tree {
    pname = "seed-libraries";
    version = "12";
    debs = [
      "libtinfo6" "libacl1" "libattr1" "libselinux1" "libpcre2-8-0" "libreadline8"
      "libsigsegv2" "libbz2-1.0" "liblzma5" "zlib1g" "libzstd1" "libjansson4"
      "libgmp10" "libmpfr6" "libmpc3" "libisl23"
    ];
    dependencies = [ (libcFor localPlatform) (gccLibsFor localPlatform) ];
    passthru.pname = "seed-libraries";
  };
  programDependencies = [ (libcFor localPlatform) (gccLibsFor localPlatform) libraries ];

  # The programs that every build script may use.
  tools = tree {
    pname = "seed-tools";
    version = "12";
    debs = [
      "bash" "coreutils" "findutils" "diffutils" "sed" "grep" "gawk" "tar" "gzip" "bzip2"
      "xz-utils" "make" "patch" "patchelf"
    ];
    dependencies = programDependencies;
    remove = [ "include" "var" "share/info" "share/awk" ];
    links = [ "bin/sh=bash" "bin/awk=gawk" ];
    passthru.shellPath = "/bin/bash";
  };

  # Assembler, linker and so on, running here, for the target platform.
  binutilsFor = target:
    let names = namesFor target;
    in
    tree {
      pname = "binutils-unwrapped-${target.config}";
      version = versionOf "binutils-${names.dashedTriple}";
      debs = [ "binutils-${names.dashedTriple}" "libbinutils" ]
        ++ lib.optionals names.isLocal [ "libctf0" "libctf-nobfd0" ];
      dependencies = programDependencies;
      # A profiler with libraries of its own.
      remove = [ "bin/*gprofng*" "bin/*gp-*" "lib/*/gprofng" ];
      passthru = {
        inherit (names) programPrefix;
        # The tools by their own names, without a prefix.
        toolDirectory = "${names.triple}/bin";
      };
    };

  # Whether there is a GCC of this version that runs here and makes code for the
  # target platform.
  hasGcc = target: major:
    target.prebuilt != null && index ? ${(namesFor target).program "gcc-${major}"};

  # GCC for C and C++, running here, for the target platform.
  gccFor = target: major:
    let
      names = namesFor target;
      inherit (names) library program;
    in
      (tree {
        pname = "gcc-unwrapped-${target.config}";
        version = versionOf (program "gcc-${major}");
        debs = [
          (program "gcc-${major}") (program "cpp-${major}") (program "g++-${major}")
          (library "libgcc-${major}-dev") (library "libstdc++-${major}-dev")
        ];
        # The target's libraries first: links such as libstdc++.so mean them.
        dependencies = [ (gccLibsFor target) ] ++ programDependencies;
        remove = unneededOfGcc;
        passthru = {
          programSuffix = "-${major}";
          inherit (names) programPrefix gccDir triple;
          isGNU = true;
          langC = true;
          langCC = true;
        };
      });

  # Static programs, each as a tree of a single file.
  single = { pname, deb, file }: tree {
    inherit pname;
    version = versionOf deb;
    debs = [ deb ];
    keep = [ file ];
  };
in
{
  # Whether Debian has programs of the build machine.
  exists = lock.packages ? ${toString localArch}.gcc-12;

  inherit lock index tree single versionOf tools libraries programDependencies
    libcFor gccLibsFor binutilsFor gccFor hasGcc kernelHeadersFor librariesFor;

  # The sandbox's /bin/sh.
  sandboxShell = single { pname = "sandbox-shell"; deb = "busybox-static"; file = "bin/busybox"; };

  # QEMU's user-mode emulators: name → a tree with bin/qemu-<name>-static.
  emulators = lib.mapAttrs
    (name: _: single {
      pname = "qemu-${name}";
      deb = "qemu-user-static";
      file = "bin/qemu-${name}-static";
    })
    lib.systems.emulator;

  # All of them in one tree, for what starts programs of several platforms.
  allEmulators = tree {
    pname = "qemu-user";
    version = versionOf "qemu-user-static";
    debs = [ "qemu-user-static" ];
    keep = map (name: "bin/qemu-${name}-static") (lib.attrNames lib.systems.emulator);
  };
}
