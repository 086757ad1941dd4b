{
  normal = [ (builtins.attrNames { b = 1; a = 2; }) (builtins.attrNames { "x y" = 1; B = 2; b = 3; "1" = 4; }) ];
  edge = [ (builtins.attrNames { }) (builtins.attrNames { a = throw "not computed"; }) (builtins.attrNames ({ a = 1; } // { a = 2; "" = 3; })) ];
  fail.list = builtins.attrNames [ ];
  fail.null = builtins.attrNames null;
}
