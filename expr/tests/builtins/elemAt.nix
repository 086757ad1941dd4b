{
  normal = [ (builtins.elemAt [ 1 2 3 ] 0) (builtins.elemAt [ 1 2 3 ] 2) ];
  edge = [ (builtins.elemAt [ (throw "not computed") 2 ] 1) (builtins.typeOf (builtins.elemAt [ [ ] ] 0)) ];
  fail.beyond = builtins.elemAt [ 1 ] 1;
  fail.negative = builtins.elemAt [ 1 ] (-1);
  fail.index = builtins.elemAt [ 1 ] "0";
  fail.list = builtins.elemAt "a" 0;
}
