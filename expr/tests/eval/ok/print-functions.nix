[ (x: x) builtins.add (builtins.add 1) { f = { a, b ? 1 }: a; } ]
