let s = { a = 1;
    b = 2; ${"c"} = 3; }; p = n: builtins.removeAttrs (builtins.unsafeGetAttrPos n s) [ "file" ]; in [ (p "a") (p "b") (p "c") (builtins.unsafeGetAttrPos "x" s) (builtins.removeAttrs __curPos [ "file" ]) ]
