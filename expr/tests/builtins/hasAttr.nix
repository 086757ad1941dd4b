{
  normal = [ (builtins.hasAttr "a" { a = 1; }) (builtins.hasAttr "b" { a = 1; }) ];
  edge = [ (builtins.hasAttr "a" { a = throw "not computed"; }) (builtins.hasAttr "a.b" { a.b = 1; }) (builtins.hasAttr "" { }) ];
  fail.name = builtins.hasAttr 1 { };
  fail.set = builtins.hasAttr "a" [ ];
}
