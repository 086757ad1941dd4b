map (x: builtins.tryEval x) [ 1 (throw "x") (assert false; 1) (assert true; 2) "s" [ (throw "inner is lazy") ].x or 3 ]
