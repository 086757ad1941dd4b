with { };
[ a.b a.b.c a."b" a.${b} a."b${c}" (a.b or c) (a.b.c or d.e) (a ? b) (a ? b.c) (a ? "b") (a ? ${b}) ((f x).y) (f x.y) ]
