{
  normal = [ (builtins.isString builtins.storeDir) ];
  edge = [ (builtins.substring 0 1 builtins.storeDir) ];
}
