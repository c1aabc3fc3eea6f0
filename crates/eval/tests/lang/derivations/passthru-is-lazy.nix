(derivation { name = "a"; system = "s"; builder = "b"; } // { meta = throw "unused"; }).name
