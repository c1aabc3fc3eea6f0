# Fetches a file whose hash is known. It is done by the program itself: no shell
# and no curl need to exist yet. `mirror://debian/<path>` is a file of the
# Debian archive, from whichever mirror is configured.
{ lib }:

{ url ? builtins.head urls
, urls ? [ url ]
, name ? lib.sanitizeDerivationName (baseNameOf url)
, sha256 ? null
, sha512 ? null
, hash ? null
, outputHash ? if hash != null then hash else if sha512 != null then sha512 else sha256
, outputHashAlgo ? if hash != null then null else if sha512 != null then "sha512" else "sha256"
, outputHashMode ? if executable then "recursive" else "flat"
, executable ? false
, meta ? { }
, passthru ? { }
}:

lib.throwIf (outputHash == null) "fetchurl: ${url} needs a hash (sha256, sha512 or hash)"
  (lib.extendDerivation true ({ inherit meta passthru; } // passthru) (derivation ({
    inherit name urls outputHash outputHashMode executable;
    system = "builtin";
    builder = "builtin:fetchurl";
    preferLocalBuild = true;
    unpack = false;
    url = builtins.head urls;
  } // lib.optionalAttrs (outputHashAlgo != null) { inherit outputHashAlgo; })))
