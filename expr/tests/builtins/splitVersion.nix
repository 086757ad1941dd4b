{
  normal = [ (builtins.splitVersion "1.2.3") (builtins.splitVersion "1.2pre4") ];
  edge = [ (builtins.splitVersion "") (builtins.splitVersion "..") (builtins.splitVersion "a1b2") (builtins.splitVersion "1-2.3-") ];
  fail.number = builtins.splitVersion 1;
}
