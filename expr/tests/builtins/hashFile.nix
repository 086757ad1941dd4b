{
  normal = [ (builtins.hashFile "sha256" ./files/text) (builtins.hashFile "md5" ./files/text) ];
  edge = [ (builtins.hashFile "sha256" ./files/empty) (builtins.hashFile "sha1" (toString ./files/text)) ];
  fail.missing = builtins.hashFile "sha256" ./files/nothing;
  fail.folder = builtins.hashFile "sha256" ./files;
  fail.algorithm = builtins.hashFile "crc" ./files/text;
  fail.path = builtins.hashFile "sha256" 1;
}
