{
  normal = [ (builtins.length [ 1 2 3 ]) ];
  edge = [ (builtins.length [ ]) (builtins.length [ (throw "not computed") ]) ];
  fail.set = builtins.length { };
  fail.string = builtins.length "abc";
}
