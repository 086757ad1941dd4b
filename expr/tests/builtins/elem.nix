{
  normal = [ (builtins.elem 1 [ 1 2 ]) (builtins.elem 3 [ 1 2 ]) (builtins.elem [ 1 ] [ [ 1 ] ]) ];
  edge = [ (builtins.elem (throw "not computed") [ ]) (builtins.elem 1 [ 1.0 ]) (builtins.elem 1 [ 1 (throw "not reached") ]) ];
  fail.list = builtins.elem 1 { };
  fail.element = builtins.elem 2 [ 1 (throw "reached") ];
}
