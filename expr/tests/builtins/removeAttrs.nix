{
  normal = [ (removeAttrs { a = 1; b = 2; } [ "a" ]) (builtins.removeAttrs { a = 1; } [ ]) ];
  edge = [ (removeAttrs { a = 1; } [ "x" "x" ]) (removeAttrs { } [ "a" ]) (removeAttrs { a = throw "not computed"; b = 1; } [ "a" ]) ];
  fail.set = removeAttrs [ ] [ ];
  fail.name = removeAttrs { a = 1; } [ 1 ];
  fail.list = removeAttrs { } "a";
}
