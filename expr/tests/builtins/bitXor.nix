{
  normal = [ (builtins.bitXor 12 10) ];
  edge = [ (builtins.bitXor (-1) (-1)) (builtins.bitXor (-1) 0) ];
  fail.null = builtins.bitXor null 1;
}
