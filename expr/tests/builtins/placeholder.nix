{
  normal = [ (builtins.stringLength (builtins.placeholder "out")) (placeholder "out" == placeholder "dev") ];
  edge = [ (builtins.substring 0 1 (placeholder "")) (builtins.hasContext (placeholder "out")) ];
  fail.number = placeholder 1;
}
