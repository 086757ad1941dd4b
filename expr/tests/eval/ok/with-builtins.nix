with builtins; [ (add 1 2) (length [ 1 ]) (if elem 1 [ 1 ] then "in" else "out") (concatMap (x: [ x ]) [ 1 ]) ]
