toString (/foo/${"bar"} + "/baz")
