{
  normal = [ (builtins.isFunction (x: x)) (builtins.isFunction 1) ];
  edge = [ (builtins.isFunction builtins.add) (builtins.isFunction (builtins.add 1)) (builtins.isFunction { __functor = self: x: x; }) ];
  fail.inner = builtins.isFunction (throw "computed");
}
