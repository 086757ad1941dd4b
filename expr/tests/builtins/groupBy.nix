{
  normal = [ (builtins.groupBy (x: if x > 1 then "big" else "small") [ 1 2 3 ]) ];
  edge = [ (builtins.groupBy (x: 1) [ ]) (builtins.groupBy (x: "") [ 1 ]) (builtins.mapAttrs (n: builtins.length) (builtins.groupBy (x: "a") [ (throw "not computed") 1 ])) ];
  fail.result = builtins.groupBy (x: x) [ 1 ];
  fail.list = builtins.groupBy (x: "a") { };
  fail.function = builtins.groupBy 1 [ 1 ];
  fail.strict = builtins.groupBy (throw "computed") [ ];
}
