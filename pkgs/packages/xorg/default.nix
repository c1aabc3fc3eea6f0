{ lib, stdenv, debianSource, debianLibraries, pkg-config }:

# Programs of the X Window System. Their libraries are Debian's packages for the
# host platform's architecture.
let
  libraries = debianLibraries {
    pname = "xorg-libraries";
    debs = [
      "libx11-6" "libx11-dev" "libx11-data" "libx11-xcb1" "libx11-xcb-dev" "libxcb1" "libxcb1-dev"
      "libxau6" "libxau-dev" "libxdmcp6" "libxdmcp-dev" "libxext6" "libxext-dev" "libxmu6" "libxmu-dev"
      "libxmu-headers" "libxt6" "libxt-dev" "libxi6" "libxi-dev" "libxfixes3" "libxfixes-dev" "libxrender1"
      "libxrender-dev" "libice6" "libice-dev" "libsm6" "libsm-dev" "libuuid1" "libbsd0" "libmd0"
      "libxcb-damage0" "libxcb-damage0-dev" "libxcb-present0" "libxcb-present-dev" "libxcb-xfixes0"
      "libxcb-xfixes0-dev" "libxcb-render0" "libxcb-render0-dev" "libxcb-shape0" "libxcb-shape0-dev"
      "libxcb-randr0" "libxcb-randr0-dev" "libxcb-sync1" "libxcb-sync-dev" "x11proto-dev" "x11proto-core-dev" "xtrans-dev"
    ];
  };
  source = debianSource "x11-apps";
in
lib.recurseIntoAttrs {
  inherit libraries;

  xeyes = stdenv.mkDerivation {
    pname = "xeyes";
    inherit (source) version src;
    nativeBuildInputs = [ pkg-config ];
    postUnpack = "sourceRoot+=/xeyes";
    # What pkg-config would say of libraries that know their place as /usr.
    preConfigure = ''
      export XEYES_CFLAGS="-isystem ${libraries}/include" PRESENT_CFLAGS=" " PRESENT_LIBS=" " XRENDER_CFLAGS=" " XRENDER_LIBS=" "
      export XEYES_LIBS="-L${libraries}/${libraries.libDir} -lXi -lXmu -lXt -lXext -lXrender -lX11-xcb -lxcb-damage -lxcb-present -lxcb-xfixes -lxcb -lX11"
    '';
    configureFlags = [ "--with-appdefaultdir=${placeholder "out"}/share/X11/app-defaults" ];
    meta = {
      description = "Two eyes that follow the pointer";
      homepage = "https://www.x.org/";
      license = lib.licenses.mit;
      platforms = lib.platforms.linux;
      mainProgram = "xeyes";
    };
  };
}
