{
  normal = [ (builtins.mul 3 4) (builtins.mul 1.5 2) ];
  edge = [ (builtins.mul (-1) 9223372036854775807) (builtins.mul 0 (-5)) ];
  fail.overflow = builtins.mul 9223372036854775807 2;
  fail.string = builtins.mul "a" 2;
}
