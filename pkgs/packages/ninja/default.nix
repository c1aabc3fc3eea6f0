{ lib, fromSeed }:

fromSeed {
  pname = "ninja";
  debs = [ "ninja-build" ];
  setupHook = ./setup-hook.sh;
  meta = {
    description = "Small build system";
    homepage = "https://ninja-build.org/";
    license = lib.licenses.asl20;
    mainProgram = "ninja";
  };
}
