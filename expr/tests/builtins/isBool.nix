{
  normal = [ (builtins.isBool true) (builtins.isBool 1) ];
  edge = [ (builtins.isBool null) (builtins.isBool "true") ];
  fail.inner = builtins.isBool (throw "computed");
}
