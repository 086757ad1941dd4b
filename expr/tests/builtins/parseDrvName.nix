{
  normal = [ (builtins.parseDrvName "nix-0.12pre12876") (builtins.parseDrvName "hello") ];
  edge = [ (builtins.parseDrvName "") (builtins.parseDrvName "a-b-1") (builtins.parseDrvName "a-") (builtins.parseDrvName "-1") (builtins.parseDrvName "a-1-b") ];
  fail.number = builtins.parseDrvName 1;
}
