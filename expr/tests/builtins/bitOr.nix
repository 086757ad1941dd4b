{
  normal = [ (builtins.bitOr 12 10) (builtins.bitOr 1 (-2)) ];
  edge = [ (builtins.bitOr 0 0) (builtins.bitOr 9223372036854775807 1) ];
  fail.string = builtins.bitOr 1 "1";
}
