[ (./a == ./a) (./a + "/b" == ./a/b) (toString (/. + "a")) ]
