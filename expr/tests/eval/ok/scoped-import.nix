[ (builtins.isFunction builtins.scopedImport) (builtins.isFunction import) ]
