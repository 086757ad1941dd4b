{
  normal = [ (builtins.toJSON { b = [ 1 2.5 null ]; a = "x\n\"é"; }) (builtins.toJSON true) ];
  edge = [ (builtins.toJSON [ ]) (builtins.toJSON { }) (builtins.toJSON { outPath = "o"; a = 1; }) (builtins.toJSON { __toString = self: "t"; }) (builtins.toJSON 1.0) (builtins.toJSON 1.0e30) (builtins.toJSON "") ];
  fail.function = builtins.toJSON (x: x);
  fail.inner = builtins.toJSON [ (throw "inner") ];
}
