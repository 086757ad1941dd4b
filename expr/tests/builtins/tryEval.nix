{
  normal = [ (builtins.tryEval 1) (builtins.tryEval (throw "x")) (builtins.tryEval (assert false; 1)) ];
  edge = [ (builtins.tryEval (builtins.length [ (throw "x") ])) (builtins.tryEval (builtins.tryEval (throw "x"))) (builtins.length (builtins.tryEval [ (throw "lazy") ]).value) ];
  fail.type = builtins.tryEval (1 + "a");
  fail.abort = builtins.tryEval (abort "x");
  fail.missing = builtins.tryEval { }.a;
  fail.lazy = builtins.tryEval [ (throw "lazy") ];
}
