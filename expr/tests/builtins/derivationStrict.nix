{
  normal = [ (builtins.attrNames (builtins.derivationStrict { name = "d"; system = "x"; builder = "b"; outputs = [ "out" "dev" ]; })) ];
  edge = [ (builtins.attrNames (derivationStrict { name = "d"; system = "x"; builder = "b"; outputs = [ "lib" ]; nothing = null; __ignoreNulls = true; })) ];
  fail.system = derivationStrict { name = "d"; builder = "b"; };
  fail.set = derivationStrict 1;
  fail.outputs = derivationStrict { name = "d"; system = "x"; builder = "b"; outputs = [ ]; };
  fail.args = derivationStrict { name = "d"; system = "x"; builder = "b"; args = "x"; };
}
