{
  normal = [ (builtins.seq 1 2) ];
  edge = [ (builtins.seq [ (throw "not computed") ] 1) (builtins.seq (x: throw "y") 1) (builtins.tryEval (builtins.seq (throw "x") 1)) ];
  fail.first = builtins.seq (throw "first") 1;
  fail.second = builtins.seq 1 (throw "second");
}
