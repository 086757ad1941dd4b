{
  normal = [ (builtins.tail [ 1 2 3 ]) ];
  edge = [ (builtins.tail [ (throw "not computed") ]) (builtins.length (builtins.tail [ 1 (throw "not computed") ])) ];
  fail.empty = builtins.tail [ ];
  fail.set = builtins.tail { };
}
