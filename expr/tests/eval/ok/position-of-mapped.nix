# the attributes that mapAttrs makes are defined nowhere; the other builtins keep places
let
  s = { a = 1; b = 2; };
  line = name: set: (builtins.unsafeGetAttrPos name set).line or null;
in
[
  (line "a" s)
  (line "a" (builtins.mapAttrs (n: v: v) s))
  (line "a" (builtins.removeAttrs s [ "b" ]))
  (line "a" (builtins.intersectAttrs { a = null; } s))
  (line "a" (s // { b = 3; }))
  (line "a" (builtins.listToAttrs [ { name = "a"; value = 1; } ]))
  (line "a" (builtins.functionArgs ({ a, b }: a)))
  (line "a" (builtins.zipAttrsWith (n: vs: vs) [ s ]))
  (line "a" (builtins.groupBy (x: x) [ "a" ]))
  (line "a" (builtins.fromJSON "{\"a\": 1}"))
]
