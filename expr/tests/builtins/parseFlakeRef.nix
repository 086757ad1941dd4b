{
  normal = [ (builtins.parseFlakeRef "github:o/r/b?dir=sub") (builtins.parseFlakeRef "path:/x") ];
  edge = [ (builtins.parseFlakeRef "nixpkgs") (builtins.parseFlakeRef "git+https://example.org/x?ref=b") ];
  fail.empty = builtins.parseFlakeRef "";
  fail.scheme = builtins.parseFlakeRef "nothing:x/y";
  fail.number = builtins.parseFlakeRef 1;
}
