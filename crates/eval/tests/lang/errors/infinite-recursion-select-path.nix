let
  x = {
    a.b = x.a.b or 1;
  };
in
x.a.b
