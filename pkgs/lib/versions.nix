# Version numbers.
{ lib }:

rec {
  inherit (builtins) splitVersion compareVersions;
  versionOlder = a: b: builtins.compareVersions a b < 0;
  versionAtLeast = a: b: builtins.compareVersions a b >= 0;
  major = version: builtins.elemAt (splitVersion version) 0;
  minor = version: builtins.elemAt (splitVersion version) 1;
  patch = version: builtins.elemAt (splitVersion version) 2;
  majorMinor = version: "${major version}.${minor version}";
  # A Debian version ("1:2.10+dfsg-3") without epoch, revision and repack mark.
  upstream = debian:
    let
      noEpoch = lib.last (lib.splitString ":" debian);
      noRevision = builtins.head (builtins.match "([^-]*(-[^-]+)*)-[^-]*" noEpoch);
    in
    lib.removeSuffix ".dfsg" (builtins.head (builtins.match "([^+~]*).*"
      (if builtins.match ".*-.*" noEpoch == null then noEpoch else noRevision)));
}
