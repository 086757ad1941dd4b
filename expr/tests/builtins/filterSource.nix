{
  normal = [ (builtins.substring 44 (-1) (builtins.filterSource (path: type: true) ./files)) ];
  edge = [
    (builtins.substring 44 (-1) (builtins.filterSource (path: type: baseNameOf path != "text") ./files))
    (builtins.hasContext (builtins.filterSource (path: type: true) ./files))
  ];
  fail.missing = builtins.filterSource (path: type: true) ./nothing;
  fail.function = builtins.filterSource 1 ./files;
  fail.path = builtins.filterSource (path: type: true) 1;
  fail.relative = builtins.filterSource (path: type: true) "files";
}
