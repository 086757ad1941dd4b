# 5,000 derivations, each with up to three earlier ones as inputs
let
  node = nodes: n: derivation {
    name = "node-${toString n}";
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-c" "echo $inputs > $out" ];
    inputs = map (k: builtins.elemAt nodes (n / k)) (builtins.filter (k: n / k < n) [ 2 3 5 ]);
    version = "1.${toString n}";
  };
  nodes = builtins.genList (node nodes) 5000;
in
builtins.length (builtins.filter (d: builtins.stringLength d.outPath > 0) nodes)
