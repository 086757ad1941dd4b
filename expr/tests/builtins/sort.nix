{
  normal = [ (builtins.sort builtins.lessThan [ 3 1 2 ]) (builtins.sort (a: b: a > b) [ "a" "c" "b" ]) ];
  edge = [ (builtins.sort (throw "not called") [ ]) (builtins.sort (a: b: a.k < b.k) [ { k = 1; n = 1; } { k = 0; n = 2; } { k = 1; n = 3; } { k = 0; n = 4; } ]) (builtins.sort (a: b: 1) [ "alone" ]) ];
  fail.result = builtins.sort (a: b: 1) [ 1 2 ];
  fail.incomparable = builtins.sort builtins.lessThan [ 1 "a" ];
  fail.list = builtins.sort builtins.lessThan { };
  fail.function = builtins.sort 1 [ 1 2 ];
  fail.strict = builtins.sort (throw "computed") [ 1 ];
}
