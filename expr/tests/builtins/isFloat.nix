{
  normal = [ (builtins.isFloat 1.0) (builtins.isFloat 1) ];
  edge = [ (builtins.isFloat (1 + 1.0)) (builtins.isFloat "1.0") ];
  fail.inner = builtins.isFloat (throw "computed");
}
