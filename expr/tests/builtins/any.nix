{
  normal = [ (builtins.any (x: x > 1) [ 1 2 ]) (builtins.any (x: x > 2) [ 1 2 ]) ];
  edge = [ (builtins.any (x: true) [ ]) (builtins.any (x: x) [ true (throw "not reached") ]) ];
  fail.function = builtins.any 1 [ 1 ];
  fail.result = builtins.any (x: x) [ "true" ];
  fail.list = builtins.any (x: true) "list";
}
