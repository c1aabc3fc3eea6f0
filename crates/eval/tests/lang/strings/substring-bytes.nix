with builtins; [ (stringLength "äöü") (stringLength (substring 0 1 "ä")) (substring 0 2 "äö" == "ä") ]
