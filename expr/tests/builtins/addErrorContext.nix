{
  normal = [ (builtins.addErrorContext "while trying" 1) (builtins.addErrorContext "a" [ 1 ]) ];
  edge = [ (builtins.addErrorContext (throw "not computed") 2) (builtins.tryEval (builtins.addErrorContext "x" (throw "y"))) ];
  fail.inner = builtins.addErrorContext "while trying" (throw "inner");
  fail.context = builtins.addErrorContext 1 (throw "inner");
}
