{
  normal = [ (builtins.genList (x: x * x) 4) ];
  edge = [ (builtins.genList (x: x) 0) (builtins.length (builtins.genList (x: throw "not computed") 3)) ];
  fail.negative = builtins.genList (x: x) (-1);
  fail.length = builtins.genList (x: x) "1";
  fail.function = builtins.genList 1 1;
  fail.strict = builtins.genList (throw "computed") 0;
}
