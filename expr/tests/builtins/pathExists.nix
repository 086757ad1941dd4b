{
  normal = [ (builtins.pathExists ./files) (builtins.pathExists ./nothing) ];
  edge = [
    (builtins.pathExists (toString ./files/text + "/")) (builtins.pathExists (toString ./files + "/")) (builtins.pathExists (toString ./files + "/."))
    (builtins.pathExists (toString ./files/text + "/below")) (builtins.pathExists ./files/text/below)
  ];
  fail.number = builtins.pathExists 1;
  fail.relative = builtins.pathExists "files";
}
