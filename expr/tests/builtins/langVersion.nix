{
  normal = [ builtins.langVersion ];
  edge = [ (builtins.isInt builtins.langVersion) ];
}
