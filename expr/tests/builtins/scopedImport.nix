{
  normal = [ (builtins.scopedImport { free = 5; } ./files/free.nix) (scopedImport { } ./files/seven.nix) ];
  edge = [ (builtins.scopedImport { free = 1; unused = throw "not computed"; } ./files/free.nix) (builtins.scopedImport { free = 1; builtins = 2; } ./files/free.nix) ];
  fail.free = builtins.scopedImport { } ./files/free.nix;
  fail.set = builtins.scopedImport 1 ./files/free.nix;
  fail.missing = builtins.scopedImport { } ./nothing;
}
