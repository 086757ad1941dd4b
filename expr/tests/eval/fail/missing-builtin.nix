builtins.fromJson "1"
