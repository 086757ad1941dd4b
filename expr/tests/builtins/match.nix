{
  normal = [ (builtins.match "a(b+)" "abb") (builtins.match "a" "b") (builtins.match "[[:digit:]]+" "123") ];
  edge = [ (builtins.match "" "") (builtins.match "(a)|(b)" "b") (builtins.match "a" "ab") (builtins.match "(a|ab)(c|bcd)(d*)" "abcd") (builtins.match ".*" "a\nb") ];
  fail.pattern = builtins.match "(" "a";
  fail.number = builtins.match "a" 1;
  fail.patternType = builtins.match 1 "a";
}
