with { };
{ a = 1; b.c = 2; b.d = 3; "e f" = 4; ${g} = 5; inherit h i; inherit (j) k "l"; m = rec { n = m; }; "${o}p".q = 6; }
