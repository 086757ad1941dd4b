let
  rev = "2f95788e1ebb4eb80898a0ddd0ba0c9cd1038036";
  fetched = builtins.fetchGit { url = "/x"; inherit rev; };
in
{
  normal = [
    (builtins.isFunction builtins.fetchGit)
    fetched.rev
    (builtins.isString fetched.outPath && builtins.hasContext "${fetched}")
    # only looked for when it is asked for
    (builtins.attrNames fetched)
    (builtins.fetchGit { url = "/x"; inherit rev; ref = "main"; }).revCount
  ];
  edge = [
    (builtins.isFunction fetchGit)
    (builtins.fetchGit { url = /x; inherit rev; }).rev
    (builtins.tryEval (builtins.seq fetched true)).value
  ];
  fail.later = fetched.revCount;
  fail.nothing = builtins.fetchGit "/x";
  fail.type = builtins.fetchGit { type = "git"; url = "/x"; };
  fail.negative = builtins.fetchGit { url = "/x"; revCount = -1; };
  fail.list = builtins.fetchGit [ ];
  fail.attribute = builtins.fetchGit { url = [ ]; };
}
