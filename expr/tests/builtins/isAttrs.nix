{
  normal = [ (builtins.isAttrs { }) (builtins.isAttrs [ ]) ];
  edge = [ (builtins.isAttrs { a = throw "x"; }) (builtins.isAttrs { __functor = self: x: x; }) ];
  fail.inner = builtins.isAttrs (throw "computed");
}
