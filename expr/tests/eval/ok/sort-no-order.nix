let
  list = builtins.genList (n: { inherit n; k = builtins.bitXor (n * 7) 29; }) 40;
  order = less: map (x: x.n) (builtins.sort less list);
in [
  (order (a: b: true))
  (order (a: b: false))
  (order (a: b: a.k <= b.k))
  (order (a: b: a.k != b.k))
  (order (a: b: builtins.bitAnd (a.k + b.k) 1 == 0))
  (order (a: b: (a.k - b.k) * (a.k - b.k) < 400))
  (order (a: b: a.k < b.k))
]
