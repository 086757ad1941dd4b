{
  normal = [ (builtins.traceVerbose "x" 1) ];
  edge = [ (builtins.traceVerbose (throw "not computed") 1) ];
  fail.value = builtins.traceVerbose "x" (throw "value");
}
