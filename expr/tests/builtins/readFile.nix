{
  normal = [ (builtins.readFile ./files/text) (builtins.readFile (toString ./files/text)) ];
  edge = [ (builtins.readFile ./files/empty) (builtins.readFile ./files/link/one) ];
  fail.missing = builtins.readFile ./nothing;
  fail.folder = builtins.readFile ./files;
  fail.nul = builtins.readFile ./files/nul;
  fail.number = builtins.readFile 1;
}
