builtins.fromTOML ''
  title = "x" # comment
  int = 1_000
  hex = 0xff
  oct = 0o17
  bin = 0b101
  float = 1.5e3
  bool = true
  list = [1, "a", [true], {x = 1}]
  lit = 'c:\x'
  "quoted key" = 1
  a.b.c = 2
  [table.sub]
  k = """
multi
line"""
  [[array]]
  n = 1
  [[array]]
  n = 2
''
