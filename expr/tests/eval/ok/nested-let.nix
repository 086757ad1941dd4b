let a = 1; b = let a = 2; c = a; in c; f = a: let b = a; in [ a b ]; in [ a b (f 3) (let inherit (rec { x = y; y = 4; }) x; in x) (let inherit ({ a = 5; }) a; in a) ]
