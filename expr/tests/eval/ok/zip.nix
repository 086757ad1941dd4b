[ (builtins.zipAttrsWith (name: vs: if name == "b" then throw "lazy" else vs) [ { a = 1; b = 2; } ]).a (builtins.attrNames (builtins.zipAttrsWith (n: v: v) [ { z = 1; } { a = 2; } { z = 3; } ])) ]
