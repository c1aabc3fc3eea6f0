with builtins; map (f: unsafeDiscardStringContext (path { path = ../data/dir; name = "n"; filter = f; })) [ (p: t: true) (p: t: false) (p: t: t == "regular") ]
