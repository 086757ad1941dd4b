{
  normal = [ (builtins.isPath /a) (builtins.isPath "/a") ];
  edge = [ (builtins.isPath ./.) (builtins.isPath (toString ./.)) (builtins.isPath (./. + "/x")) ];
  fail.inner = builtins.isPath (throw "computed");
}
