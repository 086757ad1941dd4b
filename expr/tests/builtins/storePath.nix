{
  normal = [ (builtins.storePath "/nix/store/00000000000000000000000000000000-a") ];
  edge = [ (builtins.getContext (builtins.storePath "/nix/store/00000000000000000000000000000000-a")) ];
  fail.link = builtins.storePath ./files/link;
  fail.outside = builtins.storePath /tmp;
  fail.number = builtins.storePath 1;
  fail.relative = builtins.storePath "x";
}
