let pairs = [ { k = 2; v = "a"; } { k = 1; v = "b"; } { k = 2; v = "c"; } { k = 1; v = "d"; } ]; in [
  (builtins.sort builtins.lessThan [ 3 1 2 ]) (builtins.sort (a: b: a < b) [ ]) (builtins.sort (a: b: a > b) [ 1 2 3 ])
  (map (p: p.v) (builtins.sort (a: b: a.k < b.k) pairs)) (builtins.sort builtins.lessThan [ "b" "a" "C" ])
  (builtins.sort builtins.lessThan [ 2 1.5 3 0.5 ]) (builtins.sort (a: b: false) [ 3 1 2 ]) (builtins.sort (a: b: true) [ 1 2 3 4 5 ])
  (builtins.sort builtins.lessThan [ [ 2 ] [ 1 5 ] [ ] ]) (builtins.sort builtins.lessThan [ /b /a ])
]
