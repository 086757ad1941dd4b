{
  normal = [ (builtins.isList [ ]) (builtins.isList { }) ];
  edge = [ (builtins.isList [ (throw "not computed") ]) (builtins.isList "[ ]") ];
  fail.inner = builtins.isList (throw "computed");
}
