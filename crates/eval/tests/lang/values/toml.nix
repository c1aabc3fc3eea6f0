builtins.fromTOML ''
  title = "TOML"
  number = 1_000
  hex = 0xff
  float = 1.5
  big = 6.02e3
  yes = true
  list = [ 1, 2, 3 ]
  mixed = [ "a", [ 1 ], { b = 2 } ]
  multi = """
  line
  """
  literal = 'C:\x'
  [table.sub]
  key = "v"
  "quoted key" = 1
  [[array]]
  a = 1
  [[array]]
  a = 2
''
