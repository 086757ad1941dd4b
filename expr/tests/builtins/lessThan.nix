{
  normal = [ (builtins.lessThan 1 2) (builtins.lessThan "b" "a") (builtins.lessThan [ 1 2 ] [ 1 3 ]) ];
  edge = [ (builtins.lessThan 1 1.5) (builtins.lessThan 1 1) (builtins.lessThan [ ] [ 1 ]) (builtins.lessThan /a /b) (builtins.lessThan "" "a") (builtins.lessThan [ 1 (throw "x") ] [ 2 ]) ];
  fail.mixed = builtins.lessThan 1 "a";
  fail.bools = builtins.lessThan true false;
  fail.sets = builtins.lessThan { } { };
}
