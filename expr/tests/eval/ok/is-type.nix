let vs = [ 1 1.0 true null "s" /p [ ] { } (x: x) ]; in map (f: map f vs) (with builtins; [ isInt isFloat isBool isNull isString isPath isList isAttrs isFunction ])
