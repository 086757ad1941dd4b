{
  normal = [ (builtins.stringLength "abc") ];
  edge = [ (builtins.stringLength "") (builtins.stringLength "é") (builtins.stringLength { outPath = "ab"; }) ];
  fail.number = builtins.stringLength 1;
  fail.list = builtins.stringLength [ "a" ];
}
