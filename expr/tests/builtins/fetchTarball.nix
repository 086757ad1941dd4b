{
  normal = [ (builtins.substring 44 (-1) (builtins.fetchTarball { url = "file:///x.tar"; sha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; })) ];
  edge = [ (builtins.isFunction fetchTarball) (builtins.attrValues (builtins.getContext (fetchTarball { url = "file:///x.tar"; sha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }))) ];
  fail.hash = builtins.fetchTarball "file:///x.tar";
  fail.url = builtins.fetchTarball { sha256 = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  fail.argument = builtins.fetchTarball { url = "file:///nonexistent"; hash = "x"; };
  fail.number = builtins.fetchTarball 1;
  fail.name = builtins.fetchTarball { url = "file:///nonexistent"; name = 1; };
}
