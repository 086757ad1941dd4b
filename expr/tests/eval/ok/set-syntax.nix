let
  x = 1; y = 2; name = "dyn";
  r = rec { a = b; b = c + 1; c = 3; inherit x; d = { inherit a; }; };
  s = { a.b.c = 1; a.b.d = 2; a.e = 3; inherit x y; inherit (r) b c; ${name} = 4; "${name}2" = 5; "q r".s = 6; ${null} = 7; };
in [ r s { inherit ({ x = 10; }) x; } { a = 1; a' = 2; a-b = 3; _ = 4; } (rec { a = 1; b.c = a; b.d = a + 1; }) { "a.b" = 1; } { or = 1; }.or ({ x.y = 1; x.z = 2; }) { inherit; } { inherit (r); }
  { a = { b = 1; }; a.c = 2; } (let { a = 1; body = a + 1; }) (rec { ${"s"} = 1; t = 2; }) ]
