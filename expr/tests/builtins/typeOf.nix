{
  normal = map builtins.typeOf [ 1 1.5 "a" /a null true [ ] { } (x: x) ];
  edge = [ (builtins.typeOf { __functor = self: x: x; }) (builtins.typeOf builtins.typeOf) (builtins.typeOf [ (throw "x") ]) ];
  fail.inner = builtins.typeOf (throw "computed");
}
