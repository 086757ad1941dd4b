builtins.path { path = /tmp; what = 1; }
