builtins.fromTOML ''
  title = "TOML"
  int = 42
  hex = 0xff
  oct = 0o17
  bin = 0b101
  under = 1_000
  neg = -17
  float = 3.14
  exp = 5e+22
  inf = inf
  bool = true
  multi = """
  a
    b \
    c"""
  lit = 'C:\x'
  arr = [ 1, "a", [ 2.5, true ], { x = 1 } ]
  "quoted key" = 1
  a.b.c = 1
  a.b.d = 2
  inline = { x = 1, y.z = 2 }
  empty = {}
  esc = "\t\u00e9\U0001F600\""

  [table]
  k = 1
  [table.sub]
  k = 2
  [[arrays]]
  n = 1
  [[arrays]]
  n = 2
  [arrays.sub]
  k = "v"
''
