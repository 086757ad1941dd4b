# 10 MB of JSON, read and written
let
  data = builtins.fromJSON (builtins.readFile ./data.json);
in
[ (builtins.length data) (builtins.stringLength (builtins.toJSON data)) ]
