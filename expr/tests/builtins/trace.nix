{
  normal = [ (builtins.trace "x" 1) ];
  edge = [ (builtins.trace { a = throw "shown as code"; } 1) (builtins.length (builtins.trace "x" [ (throw "not computed") ])) ];
  fail.message = builtins.trace (throw "message") 1;
  fail.value = builtins.trace "x" (throw "value");
}
