# 4 MB of source, of which little is evaluated
(import ./large.nix).f17 1
