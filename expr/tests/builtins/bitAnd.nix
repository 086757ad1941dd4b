{
  normal = [ (builtins.bitAnd 12 10) (builtins.bitAnd (-1) 255) ];
  edge = [ (builtins.bitAnd 0 (-1)) (builtins.bitAnd (-1) (-1)) ];
  fail.float = builtins.bitAnd 1.0 1;
}
