{
  normal = [ (let p = builtins.unsafeGetAttrPos "a" { b = 1; a = 2; }; in [ (baseNameOf p.file) p.line p.column ]) ];
  edge = [ (builtins.unsafeGetAttrPos "x" { a = 1; }) (builtins.unsafeGetAttrPos "a" (builtins.listToAttrs [ ])) ];
  fail.name = builtins.unsafeGetAttrPos 1 { };
  fail.set = builtins.unsafeGetAttrPos "a" [ ];
}
