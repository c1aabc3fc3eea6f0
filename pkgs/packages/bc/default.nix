{ lib, fromSeed }:

fromSeed {
  pname = "bc";
  debs = [ "bc" ];
  meta = {
    description = "Calculator, to run in builds";
    homepage = "https://www.gnu.org/software/bc/";
    license = lib.licenses.gpl3Plus;
    mainProgram = "bc";
  };
}
