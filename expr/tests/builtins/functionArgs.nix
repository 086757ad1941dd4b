{
  normal = [ (builtins.functionArgs ({ a, b ? 1, ... }: a)) ];
  edge = [ (builtins.functionArgs (x: x)) (builtins.functionArgs ({ }: 1)) (builtins.functionArgs builtins.add) (builtins.functionArgs (builtins.add 1)) ];
  fail.number = builtins.functionArgs 1;
  fail.set = builtins.functionArgs { __functor = self: { a }: a; };
}
