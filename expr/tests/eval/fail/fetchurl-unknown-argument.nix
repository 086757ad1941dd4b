builtins.fetchurl { url = "http://127.0.0.1/"; what = 1; }
