{
  normal = [ (builtins.ceil 1.2) (builtins.ceil 1) (builtins.ceil (-1.2)) ];
  edge = [ (builtins.ceil 0.0) (builtins.ceil (-0.5)) (builtins.ceil 1.0e15) ];
  fail.string = builtins.ceil "1.2";
  fail.large = builtins.ceil 1.0e300;
}
