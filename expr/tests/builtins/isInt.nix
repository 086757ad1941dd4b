{
  normal = [ (builtins.isInt 1) (builtins.isInt 1.0) ];
  edge = [ (builtins.isInt (-9223372036854775807)) (builtins.isInt "1") ];
  fail.inner = builtins.isInt (throw "computed");
}
