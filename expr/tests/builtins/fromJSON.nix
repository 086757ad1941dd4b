{
  normal = [ (builtins.fromJSON ''{"a": [1, 2.5, null, true, "x\u00e9\n"]}'') (builtins.fromJSON " 1 ") ];
  edge = [ (builtins.fromJSON "{}") (builtins.fromJSON "[]") (builtins.fromJSON ''{"a":1,"a":2}'') (builtins.fromJSON "-0") (builtins.fromJSON "1e2") (builtins.fromJSON ''"\ud83d\ude00"'') (builtins.fromJSON "-9223372036854775808") ];
  fail.syntax = builtins.fromJSON "{";
  fail.empty = builtins.fromJSON "";
  fail.comma = builtins.fromJSON "[1,]";
  fail.number = builtins.fromJSON 1;
  fail.trailing = builtins.fromJSON "1 2";
}
