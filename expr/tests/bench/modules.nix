# a fixpoint like that of a module system: 3,000 options in 300 modules, which refer to each other
let
  inherit (builtins) foldl' genList listToAttrs mapAttrs zipAttrsWith attrValues;
  optionName = m: o: "option${toString m}_${toString o}";
  module = m: { config, ... }: {
    options = listToAttrs (genList (o: {
      name = optionName m o;
      value = { default = m + o; merge = foldl' (a: b: a + b) 0; };
    }) 10);
    config = listToAttrs (genList (o: {
      name = optionName (m / 2) o;
      value = if m / 3 >= m / 2 then o else config.${optionName (m / 3) o} / 7 + 1;
    }) 10) // { enable = m > 3 && config.${optionName 1 1} > 0; };
  };
  base = { config, ... }: { options.enable = { default = false; merge = foldl' (a: b: a || b) false; }; config = { }; };
  eval = modules:
    let
      loaded = map (m: m { inherit config options; }) modules;
      options = foldl' (a: m: a // m.options) { } loaded;
      definitions = zipAttrsWith (name: values: values) (map (m: m.config) loaded);
      config = mapAttrs (name: option: if definitions ? ${name} then option.merge definitions.${name} else option.default) options;
    in
    config;
  total = config: foldl' (a: v: if v == true || v == false then a else a + v) 0 (attrValues config);
in
foldl' (a: n: a + total (eval ([ base ] ++ genList module (300 + n)))) 0 (genList (n: n) 8)
