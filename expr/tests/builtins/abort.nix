{
  normal = [ (builtins.isFunction abort) (builtins.seq [ (abort "lazy") ] 1) ];
  edge = [ (true || abort "never") ({ a = abort "never"; } ? a) ];
  fail.message = abort "the reason";
  fail.empty = abort "";
  fail.caught = builtins.tryEval (abort "not caught");
  fail.number = abort 1;
}
