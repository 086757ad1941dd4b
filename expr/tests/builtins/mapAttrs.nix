{
  normal = [ (builtins.mapAttrs (n: v: n + v) { a = "1"; b = "2"; }) ];
  edge = [ (builtins.mapAttrs (throw "not called") { }) (builtins.attrNames (builtins.mapAttrs (n: v: throw "not computed") { a = 1; })) ];
  fail.function = builtins.mapAttrs 1 { a = 1; };
  fail.set = builtins.mapAttrs (n: v: v) [ ];
}
