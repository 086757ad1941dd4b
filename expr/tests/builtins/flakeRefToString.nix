{
  normal = [ (builtins.flakeRefToString { type = "github"; owner = "o"; repo = "r"; ref = "b"; }) (builtins.flakeRefToString { type = "path"; path = "/x"; }) ];
  edge = [ (builtins.flakeRefToString { type = "github"; owner = "o"; repo = "r"; dir = "sub"; }) ];
  fail.type = builtins.flakeRefToString { type = "nothing"; };
  fail.missing = builtins.flakeRefToString { };
  fail.negative = builtins.flakeRefToString { type = "path"; path = "/x"; lastModified = -1; };
  fail.list = builtins.flakeRefToString { type = "path"; path = [ ]; };
}
