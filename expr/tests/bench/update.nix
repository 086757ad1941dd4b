# 20,000 updates of one growing set
let
  grow = set: n: set // { "key${toString n}" = n; };
  set = builtins.foldl' grow { } (builtins.genList (n: n) 20000);
in
builtins.length (builtins.attrNames set) + set.key777
