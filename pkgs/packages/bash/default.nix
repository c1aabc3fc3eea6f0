{ lib, stdenv, debianSource, buildPackages }:

let source = debianSource "bash";
in
stdenv.mkDerivation {
  pname = "bash";
  inherit (source) version src;
  # What can't be tried when the programs don't run here.
  configureFlags = [
    "--without-bash-malloc" "--disable-nls" "bash_cv_job_control_missing=present" "bash_cv_sys_named_pipes=present"
    "bash_cv_func_sigsetjmp=present" "bash_cv_printf_a_format=yes" "bash_cv_getcwd_malloc=yes" "bash_cv_dev_fd=standard"
  ];
  # Helpers for the build machine don't see the host platform's headers.
  makeFlags = [ "CC_FOR_BUILD=gcc" ];
  depsBuildBuild = [ buildPackages.stdenv.cc ];
  enableParallelBuilding = false;
  postInstall = ''
    ln -s bash "$out/bin/sh"
    rm -f "$out/bin/bashbug"
    rm -rf "$out/lib" "$out/include"
  '';
  meta = {
    description = "The GNU shell";
    homepage = "https://www.gnu.org/software/bash/";
    license = lib.licenses.gpl3Plus;
    platforms = lib.platforms.unix;
    mainProgram = "bash";
  };
}
