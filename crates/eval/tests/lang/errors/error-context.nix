builtins.addErrorContext "while doing my thing" (throw "no")
