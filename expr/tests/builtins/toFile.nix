{
  normal = [ (builtins.substring 44 (-1) (builtins.toFile "name" "text")) (builtins.hasContext (builtins.toFile "name" "text")) ];
  edge = [ (builtins.substring 44 (-1) (builtins.toFile "a.b+c_d" "")) (builtins.toFile "a" "x" == builtins.toFile "a" "x") (builtins.hasContext (builtins.toFile "a" (builtins.toFile "b" "c"))) ];
  fail.name = builtins.toFile "a/b" "";
  fail.derivation = builtins.toFile "a" "${derivation { name = "d"; system = "x"; builder = "b"; }}";
  fail.number = builtins.toFile "a" 1;
  fail.nameType = builtins.toFile 1 "a";
}
