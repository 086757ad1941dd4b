{
  normal = [ (builtins.isFunction builtins.fetchMercurial) ];
  edge = [ (builtins.isFunction fetchMercurial) ];
  fail.call = builtins.fetchMercurial { };
}
