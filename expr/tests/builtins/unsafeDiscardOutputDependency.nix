{
  normal =
    let drv = derivation { name = "d"; system = "x"; builder = "b"; };
    in [ (builtins.attrValues (builtins.getContext (builtins.unsafeDiscardOutputDependency drv.drvPath))) ];
  edge = [ (builtins.unsafeDiscardOutputDependency "a") (builtins.attrValues (builtins.getContext (builtins.unsafeDiscardOutputDependency "${derivation { name = "d"; system = "x"; builder = "b"; }}"))) ];
  fail.number = builtins.unsafeDiscardOutputDependency 1;
}
