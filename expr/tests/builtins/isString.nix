{
  normal = [ (builtins.isString "a") (builtins.isString 1) ];
  edge = [ (builtins.isString "") (builtins.isString /a) (builtins.isString { outPath = "a"; }) ];
  fail.inner = builtins.isString (throw "computed");
}
