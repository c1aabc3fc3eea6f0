# What kernels, compilers and other projects call a platform, and what follows
# from its CPU: names as in their own documentation.
#
# Sources: uname(1) on each system; the UEFI specification (file names of boot
# loaders); U-Boot's and Linux's ARCH; Apple's, Rust's and Go's lists of targets.
{ lib, data }:

let
  # Names of CPUs that Rust and Go have names of their own for.
  rustCpus = {
    armv7l = "armv7"; armv7a = "armv7"; armv6l = "arm"; armv5tel = "armv5te"; riscv64 = "riscv64gc";
  };
  goArches = {
    x86_64 = "amd64"; i686 = "386"; aarch64 = "arm64"; powerpc64le = "ppc64le"; powerpc64 = "ppc64";
    mipsel = "mipsle"; mips64el = "mips64le"; loongarch64 = "loong64"; wasm32 = "wasm";
    armv7l = "arm"; armv7a = "arm"; armv6l = "arm"; armv5tel = "arm";
  };

  # The Linux kernel's default configuration and the image that boots.
  kernelConfigurations = platform:
    let
      version = platform.parsed.cpu.version or "";
      kernel = name: baseConfig: target: more: { inherit name baseConfig target; autoModules = true; } // more;
    in
    if platform.isx86 then kernel "pc" "defconfig" "bzImage" { }
    else if platform.isAarch64 then kernel "aarch64-multiplatform" "defconfig" "Image" { DTB = true; preferBuiltin = true; }
    else if platform.isAarch32 && version == "7" then kernel "armv7l-hf-multiplatform" "multi_v7_defconfig" "zImage" { DTB = true; preferBuiltin = true; }
    else if platform.isAarch32 && version == "6" then kernel "raspberrypi" "bcm2835_defconfig" "zImage" { DTB = true; preferBuiltin = true; }
    else if platform.isAarch32 && version == "5" then kernel "sheevaplug" "multi_v5_defconfig" "uImage" { autoModules = false; DTB = true; }
    else if platform.isRiscV then kernel "riscv-multiplatform" "defconfig" "Image" { DTB = true; }
    else if platform.isPower64 && platform.isLittleEndian then kernel "PowerNV" "powernv_defconfig" "vmlinux" { }
    else { };

  # Instructions that x86 processors have, by GCC's -march=.
  levels =
    let
      v2 = [ "sse3" "ssse3" "sse4_1" "sse4_2" ];
      v3 = v2 ++ [ "avx" "avx2" "fma" ];
      aes = [ "aes" ];
    in {
      x86-64-v2 = v2;
      x86-64-v3 = v3;
      x86-64-v4 = v3 ++ [ "avx512" ];
      westmere = v2 ++ aes;
      sandybridge = v2 ++ aes ++ [ "avx" ];
      ivybridge = v2 ++ aes ++ [ "avx" ];
      haswell = v3 ++ aes;
      broadwell = v3 ++ aes;
      skylake = v3 ++ aes;
      skylake-avx512 = v3 ++ aes ++ [ "avx512" ];
      btver2 = v2 ++ aes ++ [ "sse4_a" "avx" ];
      bdver2 = v2 ++ aes ++ [ "sse4_a" "avx" "fma" "fma4" ];
      znver1 = v3 ++ aes ++ [ "sse4_a" ];
      znver2 = v3 ++ aes ++ [ "sse4_a" ];
      znver3 = v3 ++ aes ++ [ "sse4_a" ];
    };
  extensions = [ "sse3" "ssse3" "sse4_1" "sse4_2" "sse4_a" "avx" "avx2" "avx512" "aes" "fma" "fma4" ];
in
{
  # Facts of a platform; `args` are what the caller gave.
  factsOf = self: args:
    let
      platform = self;
      inherit (self) parsed;
      cpu = parsed.cpu.name;
      little = lib.optionalString platform.isLittleEndian "le";
      rust = args.rust or args.rustc or { };
    in
    {
      libDir =
        if !platform.isLinux then null
        else if platform.isx86_64 || platform.isMips64 || platform.isPower64 then "lib64"
        else "lib";

      uname = {
        system = {
          linux = "Linux"; windows = "Windows"; darwin = "Darwin"; netbsd = "NetBSD"; freebsd = "FreeBSD";
          openbsd = "OpenBSD"; wasi = "Wasi"; redox = "Redox"; genode = "Genode";
        }.${parsed.kernel.name} or null;
        processor =
          if platform.isPower64 then "ppc64${little}"
          else if platform.isPower then "ppc${little}"
          # The kernel names the word size only.
          else if platform.isMips64 then "mips64"
          else cpu;
        release = null;
      };

      linuxArch =
        if platform.isMips then "mips"
        else if platform.isPower then "powerpc"
        else if platform.isOr1k && platform.isNone then cpu
        else data.cpu.${cpu}.kernelArch or cpu;
      ubootArch =
        if platform.isx86_32 then "x86"
        else if platform.isMips64 then "mips64"
        else platform.linuxArch;
      # QEMU's name of the CPU, whether it has a user-mode emulator or not
      # (`emulatorName` says that).
      qemuArch =
        if platform.isAarch32 then (if platform.isBigEndian then "armeb" else "arm")
        else if platform.isS390 && !platform.isS390x then null
        else if platform.isx86_64 then "x86_64"
        else if platform.isx86 then "i386"
        else if platform.isMips64n32 then "mipsn32${lib.optionalString platform.isLittleEndian "el"}"
        else if platform.isMips64 then "mips64${lib.optionalString platform.isLittleEndian "el"}"
        else platform.uname.processor;
      efiArch =
        if platform.isx86_32 then "ia32"
        else if platform.isx86_64 then "x64"
        else if platform.isAarch32 then "arm"
        else if platform.isAarch64 then "aa64"
        else cpu;

      darwinArch = { armv7a = "armv7"; aarch64 = "arm64"; }.${cpu} or cpu;
      darwinPlatform =
        if platform.isMacOS then "macos"
        else if platform.isiOS then "ios${lib.optionalString (platform.isx86) "-simulator"}"
        else null;
      darwinSdkVersion = platform.sdkVer or (if platform.isAarch64 then "11.0" else "10.12");
      darwinMinVersion = platform.darwinSdkVersion;
      darwinMinVersionVariable =
        if platform.isMacOS then "MACOSX_DEPLOYMENT_TARGET"
        else if platform.isiOS then "IPHONEOS_DEPLOYMENT_TARGET"
        else null;
      useAndroidPrebuilt = false;
      useiOSPrebuilt = false;

      linux-kernel = kernelConfigurations platform;

      rustc = args.rustc or { };
      rust = rust // rec {
        platform = {
          arch =
            if parsed.cpu.family == "arm" && parsed.cpu.bits == 32 then "arm"
            else if parsed.cpu.family == "mips" && parsed.cpu.bits == 64 then "mips64"
            else if parsed.cpu.family == "power" && parsed.cpu.bits == 64 then "powerpc64"
            else cpu;
          os = if parsed.kernel.families ? darwin then "macos" else parsed.kernel.name;
          target-family = lib.optional self.isUnix "unix" ++ lib.optional self.isWindows "windows";
          vendor = { w64 = "pc"; }.${parsed.vendor.name} or parsed.vendor.name;
        } // rust.platform or { };
        rustcTarget = rust.rustcTarget or rust.config or (
          "${rust.platform.arch or rustCpus.${cpu} or cpu}-${platform.vendor}-${parsed.kernel.name}"
          + lib.optionalString (parsed.abi.name != "unknown") "-${parsed.abi.name}");
        rustcTargetSpec = rust.rustcTargetSpec or (
          if rust ? platform
          then builtins.toFile "${rustcTarget}.json" (builtins.toJSON rust.platform)
          else rustcTarget);
        cargoShortTarget = lib.removeSuffix ".json" (baseNameOf "${rustcTargetSpec}");
        cargoEnvVarTarget = lib.replaceStrings [ "-" ] [ "_" ] (lib.toUpper cargoShortTarget);
        # Without an operating system there is no standard library.
        isNoStdTarget = builtins.elem platform.os [ "none" ];
      };
      go = {
        GOOS = if platform.isDarwin then "darwin" else parsed.kernel.name;
        GOARCH = goArches.${cpu} or cpu;
        GOARM = if platform.isAarch32 then lib.min 7 (lib.toInt (parsed.cpu.version or "7")) else null;
      };
    }
    // builtins.listToAttrs (map
      (name: {
        name = "${name}Support";
        value = builtins.elem name (levels.${platform.gcc.arch or ""} or [ ]);
      })
      extensions);
}
