{ lib, fromSeed }:

fromSeed {
  pname = "tcl";
  debs = [ "tcl8.6" "libtcl8.6" ];
  links = [ "bin/tclsh=tclsh8.6" ];
  # The places of its scripts are compiled in.
  wrap = lib.genAttrs [ "tclsh" "tclsh8.6" ] (_: [
    "TCL_LIBRARY=@tree@/share/tcltk/tcl8.6"
    "TCL8_6_TM_PATH=@tree@/share/tcltk/tcl8.6/tcl8"
  ]);
  meta = {
    description = "Tcl, to run in builds";
    homepage = "https://www.tcl.tk/";
    license = lib.licenses.tcltk;
    mainProgram = "tclsh";
  };
}
