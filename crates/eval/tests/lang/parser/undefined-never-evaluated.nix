{ used = 1; never = x: { inherit x; y = z; }; }.used
