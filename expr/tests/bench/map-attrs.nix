# sets of 100,000
let
  set = builtins.listToAttrs (builtins.genList (n: { name = "name${toString n}"; value = n; }) 100000);
  mapped = builtins.mapAttrs (name: value: { inherit name; double = value * 2; }) set;
  kept = removeAttrs mapped (builtins.genList (n: "name${toString (n * 2)}") 50000);
  both = builtins.intersectAttrs kept set;
in
[
  (builtins.foldl' (a: v: a + v.double) 0 (builtins.attrValues mapped))
  (builtins.length (builtins.attrNames kept))
  (builtins.foldl' (a: v: a + v) 0 (builtins.attrValues both))
]
