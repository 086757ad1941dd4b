with { };
let a = 1; inherit b; inherit (c) d; e.f = 2; in let g = a; in g
