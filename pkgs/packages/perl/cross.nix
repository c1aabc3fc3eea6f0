# Perl for another machine. Its Configure script finds out by running programs; what
# it found on each of Debian's architectures is in Debian's source package, and only
# names and places are different here.
{ lib, stdenv, debianSource, miniperl, perl }:

let
  source = debianSource "perl";
  architecture = stdenv.hostPlatform.debian.arch;
  # Modules that need libraries which are not here, and those that only test Perl.
  without = [ "DB_File" "GDBM_File" "NDBM_File" "ODBM_File" "XS/APItest" "XS/Typemap" ];
in
stdenv.mkDerivation {
  pname = "perl";
  inherit (source) version src debianSrc;
  nativeBuildInputs = [ miniperl perl ];
  inherit without architecture;
  configurePhase = ''
    runHook preConfigure
    # Set for the build machine's.
    unset PERL5LIB
    known="debian/cross/$architecture/config.sh.static"
    tar -xf "$debianSrc" "$known" || die "Debian's source package has no configuration of Perl for '$architecture'"
    cp "$known" config.sh
    chmod +w config.sh
    ${builtins.readFile ./configuration.sh}
    cp "$(type -P miniperl)" host-miniperl
    cp "$(type -P generate_uudmap)" host-generate
    sh ./Configure -S -Dusecrosscompile -Dhostperl=./host-miniperl -Dhostgenerate=./host-generate -Dperl=perl
    runHook postConfigure
  '';
  installTargets = "install.perl";
  # What C programs that embed Perl link to.
  postInstall = ''rm "$out"/lib/perl5/*/*/CORE/libperl.a'';
  meta = {
    description = "Perl";
    homepage = "https://www.perl.org/";
    license = lib.licenses.gpl1Plus;
    platforms = lib.platforms.linux;
    mainProgram = "perl";
  };
}
