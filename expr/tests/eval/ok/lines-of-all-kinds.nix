let s = { a = 1;
 b = 2;
 c = 3; d = 4; };
  place = name: let p = builtins.unsafeGetAttrPos name s; in [ p.line p.column ];
in map place [ "a" "b" "c" "d" ] ++ [ __curPos.line ]
