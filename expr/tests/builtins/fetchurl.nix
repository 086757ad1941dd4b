{
  normal = [ (builtins.substring 44 (-1) (builtins.fetchurl { url = "file:///x"; sha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; })) ];
  edge = [ (builtins ? fetchurl) ];
  fail.hash = builtins.fetchurl "file:///x";
  fail.url = builtins.fetchurl { name = "x"; };
  fail.argument = builtins.fetchurl { url = "file:///nonexistent"; hash = "x"; };
  fail.set = builtins.fetchurl [ ];
}
