{
  normal = [ (builtins.hasContext "a") (builtins.hasContext (builtins.toFile "a" "b")) ];
  edge = [ (builtins.hasContext "") (builtins.hasContext (builtins.substring 0 0 (builtins.toFile "a" "b"))) ];
  fail.number = builtins.hasContext 1;
  fail.path = builtins.hasContext ./files;
}
