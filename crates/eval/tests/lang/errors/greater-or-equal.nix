[ (null >= 1) ]
