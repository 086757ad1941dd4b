{
  normal = [ (builtins.hasContext (builtins.unsafeDiscardStringContext (builtins.toFile "a" "b"))) (builtins.unsafeDiscardStringContext "a") ];
  edge = [ (builtins.unsafeDiscardStringContext "") (builtins.unsafeDiscardStringContext { outPath = "o"; }) ];
  fail.number = builtins.unsafeDiscardStringContext 1;
}
