let cmp = builtins.compareVersions; in [
  (cmp "1.0" "2.3") (cmp "2.1" "2.3") (cmp "2.3" "2.3") (cmp "2.5" "2.3") (cmp "3.1" "2.3") (cmp "2.3.1" "2.3") (cmp "2.3.1" "2.3a") (cmp "2.3pre1" "2.3") (cmp "2.3pre3" "2.3pre12") (cmp "2.3a" "2.3c") (cmp "2.3pre1" "2.3c") (cmp "2.3pre1" "2.3q")
  (cmp "" "") (cmp "" "1") (cmp "a" "") (cmp "1.0" "1-0") (cmp "1..0" "1.0") (cmp "01" "1") (cmp "9999999999" "10000000000") (cmp "1a2" "1a10") (cmp "pre" "") (cmp "pre" "pre") (cmp "1.pre" "1.a")
  (builtins.splitVersion "1.2.3") (builtins.splitVersion "1.2pre3-rc.4") (builtins.splitVersion "") (builtins.splitVersion ".-.")
  (builtins.parseDrvName "nix-0.12pre12876") (builtins.parseDrvName "hello") (builtins.parseDrvName "a-b-1") (builtins.parseDrvName "a-") (builtins.parseDrvName "") (builtins.parseDrvName "a--1") (builtins.parseDrvName "-1") (builtins.parseDrvName "x-é")
]
