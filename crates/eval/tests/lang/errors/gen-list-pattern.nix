(builtins.genList ({ a }: a) 1)
