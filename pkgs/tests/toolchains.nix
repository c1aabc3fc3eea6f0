# A C program for each kind of target that the seed has a compiler for, or that one
# is made for.
{ pkgs ? import ../. { } }:

let
  hello = ''
    #include <stdio.h>
    int main(void) { puts("Hello, world!"); return 0; }
  '';
  # Toggles a pin for ever.
  blink = ''
    #include <avr/io.h>
    int main(void) { DDRB = 1; for (;;) PORTB ^= 1; }
  '';
  # The program `text`, compiled in the package set of a platform.
  program = set: { text, flags ? "", name ? "program" }: set.callPackage
    ({ stdenv }: stdenv.mkDerivation {
      name = "toolchain-test";
      inherit text;
      passAsFile = [ "text" ];
      dontUnpack = true;
      dontStrip = true;
      buildPhase = ''
        cp "$textPath" program.c
        $CC -O1 ${flags} program.c -o ${name}
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
    avr = { text = blink; flags = "-mmcu=atmega328p"; };
    # Semihosting.
    bare = { flags = "--specs=rdimon.specs"; };
  };
  kindOf = set: set.buildPackages.toolchainKind;
in
{
  # One for each platform that has a prebuilt toolchain, by the platform's name.
  # RISC-V's picolibc wants a linker script for the board.
  everywhere = builtins.mapAttrs
    (name: set: program set ({ text = hello; } // special.${kindOf set} or { }))
    (pkgs.lib.filterAttrs
      (name: set:
        !builtins.elem (kindOf set) [ "missing" "source" ]
        && !(kindOf set == "bare" && set.stdenv.hostPlatform.isRiscV))
      cross);

  musl = program cross.riscv64-musl { text = hello; };
  static = program cross.riscv64.pkgsStatic { text = hello; };
  mingw64 = program cross.mingwW64 { text = hello; name = "program.exe"; };
  mingw32 = program cross.mingw32 { text = hello; name = "program.exe"; };
  # Talks to a debugger or an emulator (semihosting).
  arm = program cross.arm-embedded { text = hello; flags = "--specs=rdimon.specs"; };
  avr = program cross.avr { text = blink; flags = "-mmcu=atmega328p"; };
  wasi = program cross.wasi32 { text = hello; };
}
