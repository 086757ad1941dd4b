{
  normal = [ (builtins.hashString "md5" "a") (builtins.hashString "sha1" "a") (builtins.hashString "sha256" "a") (builtins.hashString "sha512" "a") ];
  edge = [ (builtins.hashString "sha256" "") (builtins.hashString "sha256" (builtins.substring 0 1 (builtins.toFile "a" "b"))) ];
  fail.algorithm = builtins.hashString "crc" "a";
  fail.number = builtins.hashString "md5" 1;
  fail.name = builtins.hashString 1 "a";
}
