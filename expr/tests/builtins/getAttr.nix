{
  normal = [ (builtins.getAttr "a" { a = 1; }) (builtins.getAttr "x y" { "x y" = 2; }) ];
  edge = [ (builtins.getAttr "" { "" = 1; }) (builtins.getAttr "a" { a = 1; b = throw "not computed"; }) ];
  fail.missing = builtins.getAttr "b" { a = 1; };
  fail.name = builtins.getAttr 1 { };
  fail.set = builtins.getAttr "a" [ ];
}
