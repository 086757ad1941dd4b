{
  normal = [ (builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; } { a = 2; b = 3; } ]) ];
  edge = [ (builtins.zipAttrsWith (n: vs: 1) [ ]) (builtins.attrNames (builtins.zipAttrsWith (n: vs: throw "not computed") [ { a = 1; } ])) (builtins.zipAttrsWith (n: vs: builtins.length vs) [ { a = throw "x"; } { a = 1; } ]) ];
  fail.element = builtins.zipAttrsWith (n: vs: vs) [ 1 ];
  fail.list = builtins.zipAttrsWith (n: vs: vs) { };
  fail.function = builtins.zipAttrsWith 1 [ { a = 1; } ];
  fail.strict = builtins.zipAttrsWith (throw "computed") [ ];
}
