{
  normal = [ (builtins.toPath "/a/b") (builtins.toPath /a) ];
  edge = [ (builtins.toPath "/a/../b/./c//") (builtins.toPath "/") (builtins.toPath { outPath = "/x"; }) ];
  fail.relative = builtins.toPath "a";
  fail.number = builtins.toPath 1;
}
