[ (rec { __overrides = { b = 10; }; a = b; b = 1; }).a (let x = 5; in with { x = 6; y = 7; }; [ x y ]) (with { a = 1; }; with { a = 2; }; a) (with { a = 1; b = 2; }; with { a = 3; }; [ a b ]) ]
