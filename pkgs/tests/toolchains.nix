# A C program for each kind of target that the seed has a compiler for, or that one
# is made for.
{ pkgs ? import ../. { }
, # Of the compilers from source.
  gccVersion ? "12"
}:

let
  hello = ''
    #include <stdio.h>
    int main(void) { puts("Hello, world!"); return 0; }
  '';
  # With threads, exceptions that pass through a shared library, and streams.
  helloCxx = builtins.readFile ./hello.cc;
  # The program `text`, compiled in the package set of a platform.
  program = set: { text, flags ? "", name ? "program", isCxx ? false }: set.callPackage
    ({ stdenv }: stdenv.mkDerivation {
      name = "toolchain-test";
      inherit text;
      passAsFile = [ "text" ];
      dontUnpack = true;
      dontStrip = true;
      buildPhase = ''
        cp "$textPath" program.${if isCxx then "cc" else "c"}
        ${if isCxx then "$CXX" else "$CC"} -O1 ${flags} program.* -o ${name}
      '';
      installPhase = ''
        mkdir -p "$out/bin"
        cp ${name} "$out/bin/"
      '';
    })
    { };
  cross = pkgs.pkgsCross;

  # How the program is written and compiled where it is not the plain one.
  special = {
    mingw = { name = "program.exe"; };
    avr = { text = builtins.readFile ./bare/avr.c; flags = "-mmcu=atmega328p"; };
    # Semihosting: a debugger or an emulator prints.
    bare = { flags = "--specs=rdimon.specs"; };
  };
  # With start code and a linker script of its own. picolibc's need a whole emulated
  # machine, this runs where programs do.
  bareRiscV = {
    text = builtins.readFile ./bare/riscv.c;
    flags = "-nostartfiles -T ${./bare/riscv.ld} ${./bare/riscv-start.S}";
  };
  # A compiler and newlib from source.
  newlib = program cross.aarch64-embedded ({ text = hello; } // special.bare);
  kindOf = set: set.buildPackages.toolchainKind;
in
{
  # One for each platform that has a prebuilt toolchain, and for one that has newlib
  # from source, by the platform's name.
  everywhere = builtins.mapAttrs
    (name: set:
      if kindOf set == "bare" && set.stdenv.hostPlatform.isRiscV then program set bareRiscV
      else program set ({ text = hello; } // special.${kindOf set} or { }))
    (pkgs.lib.filterAttrs (name: set: !builtins.elem (kindOf set) [ "missing" "source" ]) cross)
  // { aarch64-embedded = newlib; };

  # C and C++ with a toolchain that was itself built from source.
  fromSource = builtins.mapAttrs
    (name: set: {
      inherit (set) hello;
      helloCxx = program set { text = helloCxx; isCxx = true; flags = "-pthread"; };
    })
    (import ../. {
      system = pkgs.stdenv.buildPlatform.system;
      config = { toolchain = "source"; inherit gccVersion; };
    }).pkgsCross;

  musl = program cross.riscv64-musl { text = hello; };
  static = program cross.riscv64.pkgsStatic { text = hello; };
  mingw64 = program cross.mingwW64 { text = hello; name = "program.exe"; };
  mingw32 = program cross.mingw32 { text = hello; name = "program.exe"; };
  arm = program cross.arm-embedded ({ text = hello; } // special.bare);
  riscv = program cross.riscv64-embedded bareRiscV;
  riscv32 = program cross.riscv32-embedded bareRiscV;
  # With picolibc's start code, for an emulated machine.
  picolibc = program cross.riscv64-embedded { text = hello; flags = "--crt0=semihost --oslib=semihost"; };
  inherit newlib;
  avr = program cross.avr special.avr;
  # A crate whose build script runs here and tells the program what it is made for.
  rust = cross.aarch64-multiplatform.callPackage
    ({ stdenv, cargo, buildPackages }: stdenv.mkDerivation {
      name = "rust-test";
      src = ./rust;
      nativeBuildInputs = [ cargo ];
      depsBuildBuild = [ buildPackages.stdenv.cc ];
      buildPhase = "cargo build --offline --release";
      installPhase = ''install -D target/*/release/program -t "$out/bin"'';
    })
    { };
  wasi = program cross.wasi32 { text = hello; };
  # Uses what WASI offers: arguments, the environment, files, an exit code.
  wasiCat = program cross.wasi32 {
    text = ''
      #include <stdio.h>
      #include <stdlib.h>
      int main(int count, char **arguments)
      {
        FILE *file = fopen(arguments[count - 1], "r");
        if (file == NULL) { perror(arguments[count - 1]); return 1; }
        printf("%s ", getenv("GREETING"));
        for (int c; (c = getc(file)) != EOF; ) putchar(c);
        return 7;
      }
    '';
  };
}
