{
  normal = [ (dirOf "a/b/c") (dirOf /x/y) (builtins.dirOf "/a/b") ];
  edge = [ (dirOf "") (dirOf "a") (dirOf "/") (dirOf "/a") (dirOf "a/") (dirOf /.) (dirOf "//a") ];
  fail.number = dirOf 1;
}
