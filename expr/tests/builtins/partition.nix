{
  normal = [ (builtins.partition (x: x > 1) [ 1 2 3 ]) ];
  edge = [ (builtins.partition (x: 1) [ ]) (builtins.length (builtins.partition (x: true) [ [ (throw "not computed") ] ]).right) ];
  fail.result = builtins.partition (x: x) [ 1 ];
  fail.list = builtins.partition (x: true) "a";
  fail.function = builtins.partition 1 [ 1 ];
  fail.strict = builtins.partition (throw "computed") [ ];
  fail.elements = (builtins.partition (x: true) [ (throw "computed") ]).wrong;
}
