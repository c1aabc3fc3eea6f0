# print: eval
{ a = throw "wrong"; b = [ (1 + "x") ]; c = 1; d = assert false; 1; e = { }.missing; }
