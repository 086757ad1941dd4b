{
  normal = [ (builtins.concatMap (x: [ x (x * 10) ]) [ 1 2 ]) ];
  edge = [ (builtins.concatMap (x: 1) [ ]) (builtins.length (builtins.concatMap (x: [ (throw "not computed") ]) [ 1 2 ])) ];
  fail.result = builtins.concatMap (x: x) [ 1 ];
  fail.function = builtins.concatMap 1 [ 1 ];
  fail.strict = builtins.concatMap (throw "computed") [ ];
}
