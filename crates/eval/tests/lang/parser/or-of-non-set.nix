[ ((1).a or 2) ("x".y.z or 3) (null.a or 4) ([ ].a or 5) ]
