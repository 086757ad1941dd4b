{
  normal = [ (builtins.break 1) (break "x") ];
  edge = [ (builtins.isFunction break) (builtins.typeOf [ (break (throw "lazy")) ]) ];
  fail.inner = builtins.break (throw "inner");
}
