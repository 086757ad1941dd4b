{
  normal = [ (builtins.add 1 2) (builtins.add 1 2.5) (builtins.add 0.5 0.25) ];
  edge = [ (builtins.add 9223372036854775806 1) (builtins.add (-9223372036854775807) (-1)) (builtins.add 1 (-1)) ];
  fail.overflow = builtins.add 9223372036854775807 1;
  fail.strings = builtins.add "a" "b";
  fail.null = builtins.add 1 null;
}
