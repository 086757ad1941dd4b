{
  normal =
    let drv = derivation { name = "d"; system = "x"; builder = "b"; outputs = [ "out" "dev" ]; note = 1; };
    in [ (builtins.attrNames drv) drv.type drv.name drv.outputs drv.outputName drv.dev.outputName drv.note (builtins.attrNames drv.drvAttrs) ];
  edge = [
    (derivation { name = "d"; system = "x"; builder = "b"; lazy = throw "not computed"; }).name
    (builtins.length (derivation { name = "d"; system = "x"; builder = "b"; }).all)
    (derivation { name = "d"; system = "x"; builder = "b"; } == derivation { name = "d"; system = "x"; builder = "b"; })
  ];
  fail.name = (derivation { system = "x"; builder = "b"; }).drvPath;
  fail.builder = (derivation { name = "d"; system = "x"; }).drvPath;
  fail.bad = (derivation { name = "d/e"; system = "x"; builder = "b"; }).drvPath;
  fail.attribute = (derivation { name = "d"; system = "x"; builder = "b"; f = x: x; }).drvPath;
  fail.output = (derivation { name = "d"; system = "x"; builder = "b"; outputs = [ "out" "out" ]; }).drvPath;
}
