[
  [ ] [ 1 "a" [ ] { } ] ([ 1 ] ++ [ 2 ] ++ [ 3 ]) ([ ] ++ [ ]) (builtins.length [ 1 2 3 ]) (builtins.length [ ])
  (builtins.head [ 1 2 ]) (builtins.tail [ 1 2 3 ]) (builtins.tail [ 1 ]) (builtins.elemAt [ 1 2 3 ] 1)
  (builtins.elem 2 [ 1 2 ]) (builtins.elem 3 [ 1 2 ]) (builtins.elem { a = 1; } [ { a = 1; } ]) (builtins.elem 1 [ ])
  (builtins.map (x: x + 1) [ 1 2 3 ]) (map (x: x) [ ]) (builtins.filter (x: x > 1) [ 1 2 3 ]) (builtins.filter (x: true) [ ])
  (builtins.foldl' (a: b: a + b) 0 [ 1 2 3 ]) (builtins.foldl' (a: b: a ++ [ b ]) [ ] [ 1 2 ]) (builtins.tryEval (builtins.foldl' (a: b: b) (throw "forced") [ ]))
  (builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ]) (builtins.concatLists [ ]) (builtins.concatMap (x: [ x x ]) [ 1 2 ])
  (builtins.genList (x: x * x) 5) (builtins.genList (x: x) 0) (builtins.all (x: x > 0) [ 1 2 ]) (builtins.all (x: x > 1) [ 1 2 ])
  (builtins.any (x: x > 1) [ 1 2 ]) (builtins.any (x: x > 2) [ 1 2 ]) (builtins.all (x: false) [ ]) (builtins.any (x: true) [ ])
  (builtins.any (x: x) [ true (throw "not asked") ]) (builtins.all (x: x) [ false (throw "not asked") ])
  (builtins.partition (x: x > 2) [ 1 2 3 4 ]) (builtins.isList [ ]) (builtins.isList { }) (builtins.length [ (throw "lazy") ])
]
