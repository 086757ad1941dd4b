{
  normal = [ (builtins.isFunction builtins.getFlake) ];
  edge = [ (builtins ? getFlake) ];
  fail.call = builtins.getFlake "path:/nonexistent";
  fail.number = builtins.getFlake 1;
}
