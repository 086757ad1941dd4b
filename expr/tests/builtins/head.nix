{
  normal = [ (builtins.head [ 1 2 ]) ];
  edge = [ (builtins.head [ 1 (throw "not computed") ]) (builtins.head [ [ ] ]) ];
  fail.empty = builtins.head [ ];
  fail.set = builtins.head { };
}
