{
  normal = [ (builtins.div 7 2) (builtins.div 7.0 2) (builtins.div 1 4.0) ];
  edge = [ (builtins.div (-7) 2) (builtins.div 7 (-2)) (builtins.div 0 5) (builtins.div 0.0 5) ];
  fail.zero = builtins.div 1 0;
  fail.zeroFloat = builtins.div 1 0.0;
  fail.overflow = builtins.div (-9223372036854775807 - 1) (-1);
  fail.string = builtins.div "4" 2;
}
