# 2,000 files
builtins.foldl' (a: n: a + import (./many + "/${toString n}.nix") n) 0 (builtins.genList (n: n) 2000)
