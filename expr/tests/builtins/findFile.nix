{
  normal = [ (baseNameOf (builtins.findFile [ { prefix = ""; path = ./files; } ] "text")) (baseNameOf (builtins.findFile [ { prefix = "x"; path = ./files; } ] "x/text")) ];
  edge = [
    (baseNameOf (builtins.findFile [ { prefix = "x"; path = ./nothing; } { path = ./files; } ] "text"))
    (baseNameOf (builtins.findFile [ { prefix = "x"; path = ./files/text; } ] "x"))
    (builtins.tryEval (builtins.findFile [ ] "x"))
    (builtins.tryEval (builtins.findFile [ { prefix = "xy"; path = ./files; } ] "x"))
  ];
  fail.missing = builtins.findFile [ ] "text";
  fail.path = builtins.findFile [ { prefix = "x"; } ] "x";
  fail.entry = builtins.findFile [ 1 ] "x";
  fail.name = builtins.findFile [ ] 1;
}
