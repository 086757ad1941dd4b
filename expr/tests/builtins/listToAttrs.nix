{
  normal = [ (builtins.listToAttrs [ { name = "a"; value = 1; } { name = "b"; value = 2; } ]) ];
  edge = [ (builtins.listToAttrs [ ]) (builtins.listToAttrs [ { name = "a"; value = 1; } { name = "a"; } ]) (builtins.attrNames (builtins.listToAttrs [ { name = "a"; value = throw "not computed"; } ])) ];
  fail.name = builtins.listToAttrs [ { value = 1; } ];
  fail.value = builtins.listToAttrs [ { name = "a"; } ];
  fail.element = builtins.listToAttrs [ 1 ];
  fail.nameType = builtins.listToAttrs [ { name = 1; value = 1; } ];
  fail.list = builtins.listToAttrs { };
}
