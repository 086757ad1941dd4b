{
  normal = [ (builtins.all (x: x > 0) [ 1 2 ]) (builtins.all (x: x > 1) [ 1 2 ]) ];
  edge = [ (builtins.all (x: 1) [ ]) (builtins.all (x: x) [ false (throw "not reached") ]) ];
  fail.function = builtins.all 1 [ 1 ];
  fail.strict = builtins.all (throw "computed") [ ];
  fail.result = builtins.all (x: x) [ 1 ];
  fail.list = builtins.all (x: true) { };
}
