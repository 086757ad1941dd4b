{
  normal = [ (builtins.isString builtins.nixVersion) ];
  edge = [ (builtins.compareVersions builtins.nixVersion "2.34") (builtins.compareVersions builtins.nixVersion "2.35") ];
}
