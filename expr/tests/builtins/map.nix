{
  normal = [ (map (x: x + 1) [ 1 2 ]) (builtins.map toString [ 1 ]) ];
  edge = [ (map (throw "not called") [ ]) (builtins.length (map (x: throw "not computed") [ 1 2 ])) ];
  fail.function = map 1 [ 1 ];
  fail.strict = builtins.length (map 1 [ 1 ]);
  fail.list = map (x: x) { };
}
