{
  normal = [ (builtins.concatStringsSep ", " [ "a" "b" "c" ]) (builtins.concatStringsSep "" [ "a" "b" ]) ];
  edge = [ (builtins.concatStringsSep "," [ ]) (builtins.concatStringsSep "," [ "" "" ]) (builtins.concatStringsSep "," [ { outPath = "o"; } { __toString = self: "t"; } ]) ];
  fail.number = builtins.concatStringsSep "," [ 1 ];
  fail.separator = builtins.concatStringsSep 1 [ "a" ];
  fail.list = builtins.concatStringsSep "," "ab";
}
