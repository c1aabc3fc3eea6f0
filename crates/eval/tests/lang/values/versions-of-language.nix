[ builtins.langVersion (builtins.substring 0 5 builtins.nixVersion) builtins.storeDir ]
