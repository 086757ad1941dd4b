{
  normal = [ (builtins.substring 44 (-1) (builtins.path { path = ./files; })) (builtins.substring 44 (-1) (builtins.path { path = ./files; name = "other"; })) ];
  edge = [
    (builtins.substring 44 (-1) (builtins.path { path = ./files/text; recursive = false; }))
    (builtins.substring 44 (-1) (builtins.path { path = ./files; filter = path: type: false; name = "none"; }))
    (builtins.substring 44 (-1) (builtins.path { path = toString ./files; }))
    (builtins.hasContext (builtins.path { path = ./files; }))
  ];
  fail.path = builtins.path { name = "x"; };
  fail.missing = builtins.path { path = ./nothing; };
  fail.argument = builtins.path { path = ./files; other = 1; };
  fail.set = builtins.path ./files;
  fail.relative = builtins.path { path = "files"; };
  fail.filter = builtins.path { path = ./files; filter = 1; };
}
