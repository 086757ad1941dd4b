{
  normal = [ (baseNameOf "a/b/c") (baseNameOf /x/y) (builtins.baseNameOf "/a.b") ];
  edge = [ (baseNameOf "") (baseNameOf "/") (baseNameOf "a/") (baseNameOf "a//") (baseNameOf "//") (baseNameOf { outPath = "/x/y"; }) ];
  fail.number = baseNameOf 1;
  fail.list = baseNameOf [ "a" ];
}
