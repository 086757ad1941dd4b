{
  normal = [ (builtins.deepSeq [ 1 { a = 2; } ] "x") ];
  edge = [
    (builtins.deepSeq (let s = { inherit s; }; in s) "cycle")
    (builtins.deepSeq (x: throw "not called") "function")
    (builtins.tryEval (builtins.deepSeq { a.b = [ (throw "x") ]; } 1))
  ];
  fail.deep = builtins.deepSeq { a.b = [ (throw "deep") ]; } 1;
  fail.second = builtins.deepSeq 1 (throw "second");
}
