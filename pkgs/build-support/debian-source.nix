# Upstream sources as the Debian archive keeps them, pinned by the lock file.
#
#   debianSource "hello"  →  { version = "2.10"; src = …; files = { "<suffix>" = …; }; }
{ lib, lock, fetchurl }:

name:
let
  source = lock.sources.${name} or (throw
    "the source package '${name}' is not in the lock file: add it to pkgs/seed/packages.toml and run `cargo xtask relock`");
  fetch = file: fetchurl {
    urls = [ "mirror://debian/${file.path}" ];
    inherit (file) sha256;
  };
  isOriginal = file: builtins.match ".*[.]orig[.]tar[.][a-z0-9]+" file.path != null;
  original = lib.findFirst isOriginal
    (lib.findFirst (file: builtins.match ".*[.]tar[.][a-z0-9]+" file.path != null)
      (throw "the source package '${name}' has no archive in the lock file")
      source.files)
    source.files;
  debian = lib.findFirst (file: builtins.match ".*[.]debian[.]tar[.][a-z0-9]+" file.path != null) null source.files;
in
{
  version = lib.versions.upstream source.version;
  debianVersion = source.version;
  src = fetch original;
  # Debian's changes to it, where the lock file lists them.
  debianSrc = lib.mapNullable fetch debian;
}
