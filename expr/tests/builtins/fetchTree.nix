{
  normal = [ (removeAttrs (builtins.fetchTree { type = "tarball"; url = "file:///x.tar"; narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; lastModified = 1; submodules = true; }) [ "outPath" ]) ];
  edge = [ (builtins.isFunction fetchTree) ];
  fail.hash = builtins.fetchTree { type = "tarball"; url = "file:///x.tar"; };
  fail.type = builtins.fetchTree { url = "file:///nonexistent"; };
  fail.name = builtins.fetchTree { type = "file"; url = "file:///nonexistent"; name = "x"; };
  fail.list = builtins.fetchTree { type = "file"; url = [ ]; };
  fail.number = builtins.fetchTree 1;
}
