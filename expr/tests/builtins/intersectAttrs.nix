{
  normal = [ (builtins.intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; }) ];
  edge = [ (builtins.intersectAttrs { } { a = 1; }) (builtins.attrNames (builtins.intersectAttrs { a = throw "x"; } { a = throw "y"; })) (builtins.intersectAttrs { a = throw "x"; } { a = 1; }) ];
  fail.left = builtins.intersectAttrs [ ] { };
  fail.right = builtins.intersectAttrs { } 1;
}
