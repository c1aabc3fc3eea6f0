# print: eval
let d = derivation { name = "n"; system = "s"; builder = "b"; }; in { inherit d; e = [ d ]; }
