# calls 9,000 deep, and thunks 9,000 deep
let
  down = n: if n == 0 then 0 else 1 + down (n - 1);
  chain = builtins.foldl' (a: n: { next = a; depth = a.depth + 1; }) { depth = 0; } (builtins.genList (n: n) 2000);
in
builtins.foldl' (a: n: a + down 9000) chain.depth (builtins.genList (n: n) 40)
