{
  normal = [ (builtins.foldl' (a: b: a + b) 0 [ 1 2 3 ]) (builtins.foldl' (a: b: [ b ] ++ a) [ ] [ 1 2 3 ]) ];
  edge = [ (builtins.foldl' (a: b: 1) 5 [ ]) (builtins.foldl' (a: b: b) (throw "not computed") [ 1 ]) ];
  fail.strict = builtins.foldl' (a: b: if b == 1 then throw "strict" else 0) 0 [ 1 2 ];
  fail.empty = builtins.foldl' (a: b: a) (throw "start") [ ];
  fail.function = builtins.foldl' 1 0 [ 1 ];
  fail.list = builtins.foldl' (a: b: a) 0 { };
}
