{
  normal = [ false builtins.false (!false) ];
  edge = [ (let false = 1; in false) (false == null) ];
}
