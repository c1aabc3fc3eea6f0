let
  x = {
    c = x.c.d;
  };
in
x.c.d
