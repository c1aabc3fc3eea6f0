let
  long = {
    a = { }; };
in "text ${
    long.a} more"
