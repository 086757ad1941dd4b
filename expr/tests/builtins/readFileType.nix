{
  normal = [ (builtins.readFileType ./files/text) (builtins.readFileType ./files) ];
  edge = [ (builtins.readFileType ./files/link) (builtins.readFileType (toString ./files + "/")) ];
  fail.missing = builtins.readFileType ./nothing;
  fail.number = builtins.readFileType 1;
}
