# The same program, cross-built with each build system: it finds zlib, is told the
# machine, and is run, emulated, when it is installed. A build fails if the program
# says anything else.
{ platform ? "riscv64", pkgs ? import ../. { } }:

let
  cross = pkgs.pkgsCross.${platform};
  inherit (pkgs) lib;

  # `machine`: what the build system calls the processor.
  project = stdenv: name: machine: attributes: stdenv.mkDerivation ({
    pname = "${name}-works";
    version = "1";
    src = ./build-systems + "/${name}";
    postUnpack = ''cp ${./build-systems/main.c} "$sourceRoot/main.c"'';
    emulateHost = true;
    doInstallCheck = true;
    installCheckPhase = ''
      said=$("$out/bin/program")
      if [ "$said" != ${lib.escapeShellArg "${machine} 352441c2"} ]; then die "the program says '$said'"; fi
    '';
  } // attributes);
  cpu = cross.stdenv.hostPlatform.parsed.cpu.name;
in
builtins.mapAttrs (name: function: cross.callPackage function { }) {
  autotools = { stdenv, autoreconfHook, zlib }: project stdenv "autotools" cpu {
    nativeBuildInputs = [ autoreconfHook ];
    buildInputs = [ zlib ];
  };
  cmake = { stdenv, cmake, zlib }: project stdenv "cmake" cpu {
    nativeBuildInputs = [ cmake ];
    buildInputs = [ zlib ];
  };
  meson = { stdenv, meson, ninja, pkg-config, zlib }: project stdenv "meson" cpu {
    nativeBuildInputs = [ meson ninja pkg-config ];
    buildInputs = [ zlib ];
  };
  make = { stdenv, buildPackages, pkg-config, zlib }: project stdenv "make" cpu {
    nativeBuildInputs = [ pkg-config ];
    depsBuildBuild = [ buildPackages.stdenv.cc ];
    buildInputs = [ zlib ];
  };
  go = { stdenv, go }: project stdenv "go" cross.stdenv.hostPlatform.go.GOARCH {
    nativeBuildInputs = [ go ];
    buildPhase = "go build -o program main.go";
    installPhase = ''install -D program -t "$out/bin"'';
  };
}
