{
  normal = [
    (builtins.appendContext "a" { })
    (builtins.getContext (builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { path = true; }; }))
    (builtins.getContext (builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a.drv" = { allOutputs = true; outputs = [ "out" "dev" ]; }; }))
  ];
  edge = [
    (builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { path = false; outputs = [ ]; }; })
    (builtins.hasContext (builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { other = throw "ignored"; }; }))
  ];
  fail.key = builtins.appendContext "a" { "/tmp/x" = { path = true; }; };
  fail.outputs = builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { outputs = [ "out" ]; }; };
  fail.allOutputs = builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { allOutputs = true; }; };
  fail.path = builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = { path = 1; }; };
  fail.entry = builtins.appendContext "a" { "/nix/store/00000000000000000000000000000000-a" = 1; };
  fail.string = builtins.appendContext 1 { };
}
