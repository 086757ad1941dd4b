{
  normal = [ (builtins.concatLists [ [ 1 2 ] [ ] [ 3 ] ]) ];
  edge = [ (builtins.concatLists [ ]) (builtins.length (builtins.concatLists [ [ (throw "not computed") ] [ ] ])) ];
  fail.element = builtins.concatLists [ 1 ];
  fail.list = builtins.concatLists { };
}
