{
  normal = [ (builtins ? map) (builtins.builtins ? builtins) (builtins.attrNames (builtins.intersectAttrs { add = 1; nothing = 2; } builtins)) ];
  edge = [ (builtins ? __add) (let builtins = { }; in builtins) (builtins.builtins.builtins.add 1 1) ];
}
