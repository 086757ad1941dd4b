{
  normal = [ (builtins.sub 5 3) (builtins.sub 1 0.5) ];
  edge = [ (builtins.sub (-9223372036854775807) 1) (builtins.sub 0 9223372036854775807) ];
  fail.overflow = builtins.sub (-9223372036854775807) 2;
  fail.string = builtins.sub "a" "b";
}
