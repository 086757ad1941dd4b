{
  normal = [ (builtins.substring 1 2 "abcd") (builtins.substring 0 3 "nixos") ];
  edge = [ (builtins.substring 5 1 "abc") (builtins.substring 1 (-1) "abc") (builtins.substring 0 0 "abc") (builtins.substring 1 100 "abc") (builtins.substring 0 2 { outPath = "abc"; }) ];
  fail.start = builtins.substring (-1) 1 "abc";
  fail.length = builtins.substring 0 "1" "abc";
  fail.string = builtins.substring 0 1 1;
}
