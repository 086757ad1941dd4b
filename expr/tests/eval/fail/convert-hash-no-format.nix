builtins.convertHash { hash = "sha256:00"; }
