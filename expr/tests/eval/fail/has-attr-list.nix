builtins.hasAttr "x" [ ]
