{ lib, stdenv, callPackage, fromSeed }:

if lib.systems.equals stdenv.buildPlatform stdenv.hostPlatform
then
  fromSeed {
    pname = "perl";
    debs = [ "perl" "perl-base" "perl-modules-5.36" "libperl5.36" "libdb5.3" "libgdbm6" "libgdbm-compat4" ];
    # Its places for modules are compiled in.
    wrap.perl = [ "PERL5LIB=@tree@/lib/x86_64-linux-gnu/perl/5.36:@tree@/share/perl/5.36:@tree@/lib/x86_64-linux-gnu/perl-base:@tree@/lib/aarch64-linux-gnu/perl/5.36:$PERL5LIB" ];
    setupHook = ./setup-hook.sh;
    meta = {
      description = "Perl, to run in builds";
      homepage = "https://www.perl.org/";
      license = lib.licenses.gpl1Plus;
      mainProgram = "perl";
    };
  }
else callPackage ./cross.nix { }
