let a = { x = 1; }; l = [ 1 ]; e = { }; el = [ ]; in [ a a l l e e el el { inherit a; b = a; } ]
