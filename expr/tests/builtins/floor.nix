{
  normal = [ (builtins.floor 1.7) (builtins.floor 1) (builtins.floor (-1.2)) ];
  edge = [ (builtins.floor 0.0) (builtins.floor 0.99) (builtins.floor (-0.0)) ];
  fail.string = builtins.floor "1";
  fail.large = builtins.floor (-1.0e300);
}
