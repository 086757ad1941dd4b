builtins.appendContext "a" { b = { path = true; }; }
