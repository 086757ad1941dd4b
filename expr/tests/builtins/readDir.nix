{
  normal = [ (builtins.readDir ./files) ];
  edge = [ (builtins.readDir (toString ./files + "/below")) (builtins.attrNames (builtins.readDir ./files/link)) ];
  fail.missing = builtins.readDir ./nothing;
  fail.file = builtins.readDir ./files/text;
  fail.number = builtins.readDir 1;
}
