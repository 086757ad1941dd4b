builtins.trace "x" (throw "y")
