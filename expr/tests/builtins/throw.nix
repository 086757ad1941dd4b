{
  normal = [ (builtins.tryEval (throw "a")) (builtins.isFunction throw) ];
  edge = [ (true || throw "never") (builtins.tryEval (throw "")) (builtins.tryEval (throw { outPath = "x"; })) ];
  fail.message = throw "the reason";
  fail.number = throw 1;
}
