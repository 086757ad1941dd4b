{
  normal =
    let drv = derivation { name = "d"; system = "x"; builder = "b"; };
    in map (x: builtins.attrNames (builtins.head (builtins.attrValues (builtins.getContext (builtins.addDrvOutputDependencies x))))) [
      (builtins.unsafeDiscardOutputDependency drv.drvPath)
    ];
  edge =
    let drv = derivation { name = "d"; system = "x"; builder = "b"; };
    in [ (builtins.getContext (builtins.addDrvOutputDependencies drv.drvPath) == builtins.getContext drv.drvPath) ];
  fail.plain = builtins.addDrvOutputDependencies "text";
  fail.output = builtins.addDrvOutputDependencies "${derivation { name = "d"; system = "x"; builder = "b"; }}";
  fail.number = builtins.addDrvOutputDependencies 1;
}
