{
  normal = [ (builtins.isString builtins.currentSystem) ];
  edge = [ (builtins.match "[a-z0-9_]+-[a-z0-9]+" builtins.currentSystem != null) ];
}
