let d = builtins.appendContext "x" { "/nix/store/00000000000000000000000000000000-a" = { path = true; }; }; in [
  (builtins.hasContext "a") (builtins.getContext "a") (builtins.unsafeDiscardStringContext "a") (builtins.unsafeDiscardOutputDependency "a") (builtins.appendContext "x" { })
  (builtins.stringLength (builtins.unsafeDiscardStringContext "abc"))
]
