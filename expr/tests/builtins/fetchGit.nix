{
  normal = [ (builtins.isFunction builtins.fetchGit) ];
  edge = [ (builtins.isFunction fetchGit) ];
  fail.type = builtins.fetchGit { type = "git"; url = "/x"; };
  fail.negative = builtins.fetchGit { url = "/x"; revCount = -1; };
  fail.list = builtins.fetchGit [ ];
  fail.attribute = builtins.fetchGit { url = [ ]; };
}
