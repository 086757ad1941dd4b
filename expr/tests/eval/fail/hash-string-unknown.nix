builtins.hashString "crc32" "a"
