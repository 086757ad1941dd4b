[
  (builtins.parseFlakeRef "github:NixOS/nixpkgs/23.05?dir=lib") (builtins.flakeRefToString { dir = "lib"; owner = "NixOS"; ref = "23.05"; repo = "nixpkgs"; type = "github"; })
  (builtins.parseFlakeRef "nixpkgs") (builtins.parseFlakeRef "nixpkgs/nixos-unstable") (builtins.parseFlakeRef "path:/a/b") (builtins.parseFlakeRef "git+https://example.org/r.git?ref=main&rev=0123456789012345678901234567890123456789")
  (builtins.parseFlakeRef "https://example.org/a.tar.gz") (builtins.parseFlakeRef "gitlab:o/r") (builtins.parseFlakeRef "/a/b") (builtins.parseFlakeRef "git+ssh://git@h/x") (builtins.parseFlakeRef "github:o/r/0123456789012345678901234567890123456789") (builtins.parseFlakeRef "flake:a/b")
  (builtins.flakeRefToString { type = "path"; path = "/a"; }) (builtins.flakeRefToString { type = "git"; url = "https://h/r"; ref = "x"; }) (builtins.flakeRefToString { type = "indirect"; id = "nixpkgs"; }) (builtins.flakeRefToString { type = "tarball"; url = "https://h/a.tar.gz"; })
]
