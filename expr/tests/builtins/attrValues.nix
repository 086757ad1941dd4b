{
  normal = [ (builtins.attrValues { b = 1; a = 2; }) ];
  edge = [ (builtins.attrValues { }) (builtins.length (builtins.attrValues { a = throw "not computed"; })) ];
  fail.list = builtins.attrValues [ ];
}
