{
  normal = [ (builtins.filter (x: x > 1) [ 1 2 3 ]) ];
  edge = [ (builtins.filter (throw "not called") [ ]) (builtins.length (builtins.filter (x: true) [ (throw "not computed") ])) ];
  fail.function = builtins.filter 1 [ 1 ];
  fail.result = builtins.filter (x: x) [ 1 ];
  fail.list = builtins.filter (x: true) { };
}
