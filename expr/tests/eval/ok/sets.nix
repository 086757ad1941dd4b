let s = { b = 2; a = 1; "c d" = 3; }; in [
  s (s.a) (s."c d") (s.x or "none") (s.a.b.c or "deep") (s ? a) (s ? x) (s ? a.b) (s ? "c d") ({ } ? a.b.c)
  (s // { a = 10; z = 0; }) ({ } // s) (s // { }) (builtins.attrNames s) (builtins.attrValues s)
  (builtins.getAttr "a" s) (builtins.hasAttr "a" s) (builtins.hasAttr "q" s) (builtins.removeAttrs s [ "a" "nothing" ]) (builtins.removeAttrs s [ ])
  (builtins.listToAttrs [ { name = "x"; value = 1; } { name = "y"; value = 2; } { name = "x"; value = 3; } ]) (builtins.listToAttrs [ ])
  (builtins.intersectAttrs { a = 0; q = 0; } s) (builtins.intersectAttrs { } s) (builtins.catAttrs "a" [ { a = 1; } { } { a = 2; } ])
  (builtins.mapAttrs (n: v: n + toString v) s) (builtins.mapAttrs (n: v: throw "lazy") { }) (builtins.attrNames (builtins.mapAttrs (n: v: throw "lazy") s))
  (builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ]) (builtins.zipAttrsWith (n: vs: vs) [ ])
  (builtins.groupBy (x: if x > 2 then "big" else "small") [ 1 2 3 4 ]) (builtins.isAttrs s) (builtins.isAttrs [ ])
  (builtins.attrNames { b = 1; B = 2; "1" = 3; "-" = 4; "é" = 5; aa = 6; a = 7; })
]
