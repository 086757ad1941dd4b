# lists of 200,000
let
  numbers = builtins.genList (n: n) 200000;
  doubled = map (n: n * 2) numbers;
  even = builtins.filter (n: builtins.bitAnd n 3 == 0) doubled;
  pairs = builtins.concatMap (n: [ n (n + 1) ]) numbers;
  parts = builtins.partition (n: n > 1000) pairs;
in
[
  (builtins.foldl' (a: n: a + n) 0 even)
  (builtins.length pairs)
  (builtins.length parts.right)
  (builtins.elem 199999 numbers)
  (builtins.all (n: n >= 0) doubled)
  (builtins.foldl' (a: n: a + n) 0 (even ++ numbers ++ doubled))
  (builtins.length (builtins.attrNames (builtins.groupBy (n: toString (builtins.bitAnd n 255)) numbers)))
]
