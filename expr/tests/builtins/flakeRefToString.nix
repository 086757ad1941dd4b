{
  normal = [ (builtins.flakeRefToString { type = "github"; owner = "o"; repo = "r"; ref = "b"; }) (builtins.flakeRefToString { type = "path"; path = "/x"; }) ];
  edge = map builtins.flakeRefToString [
    { type = "git"; url = "/a/b"; } { type = "git"; url = "/a%20b?x#y"; } { type = "git"; url = "git@h:r.git"; ref = "m"; }
    { type = "git"; url = "git@h:/r.git"; } { type = "git"; url = "./x"; } { type = "git"; url = "git+https://h/r"; allRefs = true; lfs = true; }
    { type = "github"; owner = "a/b"; repo = "c"; ref = "x/y"; } { type = "indirect"; id = "x"; ref = "a/b"; }
    { type = "tarball"; url = "https://h/a"; narHash = ""; } { type = "path"; path = "/a//b/../c"; } { type = "hg"; url = "https://h/r"; }
  ] ++ [ (builtins.flakeRefToString { type = "github"; owner = "o"; repo = "r"; dir = "sub"; }) ];
  fail.unknown = builtins.flakeRefToString { type = "git"; url = "https://h/r"; foo = "x"; };
  fail.host = builtins.flakeRefToString { type = "git"; url = "h:r"; };
  fail.ref = builtins.flakeRefToString { type = "git"; url = "https://h/r"; ref = "x..y"; };
  fail.rev = builtins.flakeRefToString { type = "github"; owner = "a"; repo = "b"; rev = "abc"; };
  fail.boolean = builtins.flakeRefToString { type = "git"; url = "https://h/r"; shallow = "x"; };
  fail.hash = builtins.flakeRefToString { type = "github"; owner = "a"; repo = "b"; narHash = "x"; };
  fail.id = builtins.flakeRefToString { type = "indirect"; id = "1"; };
  fail.type = builtins.flakeRefToString { type = "nothing"; };
  fail.missing = builtins.flakeRefToString { };
  fail.negative = builtins.flakeRefToString { type = "path"; path = "/x"; lastModified = -1; };
  fail.list = builtins.flakeRefToString { type = "path"; path = [ ]; };
}
