{
  normal = [ (builtins.isList builtins.nixPath) ];
  edge = [ (builtins.all (e: e ? prefix && e ? path) builtins.nixPath) ];
}
