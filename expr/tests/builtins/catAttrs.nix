{
  normal = [ (builtins.catAttrs "a" [ { a = 1; } { b = 0; } { a = 2; } ]) ];
  edge = [ (builtins.catAttrs "a" [ ]) (builtins.length (builtins.catAttrs "a" [ { a = throw "not computed"; } ])) ];
  fail.name = builtins.catAttrs 1 [ ];
  fail.element = builtins.catAttrs "a" [ 1 ];
  fail.list = builtins.catAttrs "a" { a = 1; };
}
