{
  normal = [ (builtins.isInt builtins.currentTime) (builtins.currentTime > 0) ];
  edge = [ (builtins.currentTime == builtins.currentTime) ];
}
