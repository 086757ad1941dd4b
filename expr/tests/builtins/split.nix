{
  normal = [ (builtins.split "(a)b" "abc") (builtins.split "," "a,b,c") ];
  edge = [ (builtins.split "x" "") (builtins.split "" "ab") (builtins.split "(a)|(b)" "ab") (builtins.split "a*" "baac") ];
  fail.pattern = builtins.split "[" "a";
  fail.string = builtins.split "a" 1;
}
