{
  normal =
    let drv = derivation { name = "d"; system = "x"; builder = "b"; };
    in [ (builtins.attrValues (builtins.getContext "${drv}")) (builtins.attrValues (builtins.getContext drv.drvPath)) ];
  edge = [ (builtins.getContext "") (builtins.attrValues (builtins.getContext (builtins.toFile "a" "b"))) ];
  fail.number = builtins.getContext 1;
}
