{ lib, fromSeed, stdenv }:

# For programs of a build that sign what they make, such as U-Boot's: minutes less
# than compiling OpenSSL for them.
fromSeed {
  pname = "openssl-prebuilt";
  debs = [ "libssl3" "libssl-dev" ];
  commands = ''
    mkdir -p "$out/include/openssl" "$out/lib"
    for file in $tree/include/openssl/* $tree/include/${stdenv.buildPlatform.debian.triple}/openssl/*; do
      ln -s "$file" "$out/include/openssl/"
    done
    for file in $tree/lib/${stdenv.buildPlatform.debian.triple}/lib*.so*; do ln -s "$file" "$out/lib/"; done
  '';
  meta = {
    description = "OpenSSL's libraries, for programs that run in builds";
    homepage = "https://www.openssl.org/";
    license = lib.licenses.asl20;
  };
}
