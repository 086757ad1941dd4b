{
  normal = [ (builtins.warn "careful" 1) ];
  edge = [ (builtins.length (builtins.warn "careful" [ (throw "not computed") ])) (builtins.warn "" 1) ];
  fail.message = builtins.warn 1 2;
  fail.value = builtins.warn "careful" (throw "value");
}
