{ a = 1; }.something
