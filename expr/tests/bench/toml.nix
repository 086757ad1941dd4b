# 3 MB of TOML
let
  data = builtins.fromTOML (builtins.readFile ./data.toml);
in
[ (builtins.length data.package) (builtins.length (builtins.attrNames data.section)) ]
