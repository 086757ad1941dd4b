# What `import` of a derivation's path gives. `set` has `drvPath`, `name`, `outputs` (the names) and the path
# of each output under its name.
set:
let
  common = builtins.listToAttrs list // {
    all = map (output: output.value) list;
    inherit (set) drvPath name;
    type = "derivation";
  };
  list = map
    (outputName: {
      name = outputName;
      value = common // { outPath = set.${outputName}; inherit outputName; };
    })
    set.outputs;
in
(builtins.head list).value
