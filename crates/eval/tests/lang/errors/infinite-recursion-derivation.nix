# A derivation that needs its own path.
let
  package = derivation {
    name = "package";
    system = "any";
    builder = "/bin/sh";
    file = "${package}/file";
  };
in
package.outPath
