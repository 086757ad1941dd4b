builtins.convertHash { hash = "sha256:00"; toHashFormat = "sri"; }
