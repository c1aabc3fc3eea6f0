# A simulator of AVR microcontrollers. Programs write to a console of its by a
# register (`-w`).
{ fromSeed }:

fromSeed {
  pname = "simavr";
  debs = [ "simavr" "libsimavr2" "libelf1" ];
  meta = {
    description = "Simulator of AVR microcontrollers";
    homepage = "https://github.com/buserror/simavr";
    mainProgram = "simavr";
  };
}
