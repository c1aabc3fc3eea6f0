builtins.toXML (let d = { type = "derivation"; drvPath = "/d"; outPath = "/o"; x = 1; }; in [ d d ])
