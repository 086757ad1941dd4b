{
  normal = [ (builtins.compareVersions "1.0" "2.3") (builtins.compareVersions "2.1" "2.1") (builtins.compareVersions "2.10" "2.9") ];
  edge = [ (builtins.compareVersions "" "") (builtins.compareVersions "1.0" "1.0pre") (builtins.compareVersions "1.a" "1.1") (builtins.compareVersions "1" "1.0") (builtins.compareVersions "1.00" "1.0") ];
  fail.number = builtins.compareVersions 1 "1";
}
