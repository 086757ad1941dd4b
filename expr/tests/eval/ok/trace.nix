[ (builtins.trace "said" 1) (builtins.traceVerbose "not said" 2) (builtins.addErrorContext "context" 3) (builtins.warn "careful" 4) (builtins.break 5) ]
