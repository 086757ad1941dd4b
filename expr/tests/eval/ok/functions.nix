let
  f = { a, b ? a + 1, ... }@args: [ a b (args.c or "no c") ];
  g = args@{ x ? 1 }: [ x args ];
  functor = { __functor = self: x: self.base + x; base = 10; };
  curried = a: b: c: a + b * c;
in [
  (f { a = 1; }) (f { a = 1; b = 5; c = 6; }) (g { }) (g { x = 2; }) (functor 5) (map functor [ 1 2 ]) (curried 1 2 3) (map (curried 1 2) [ 3 4 ])
  (builtins.functionArgs f) (builtins.functionArgs (x: x)) (builtins.functionArgs builtins.add) (builtins.isFunction f) (builtins.isFunction functor) (builtins.isFunction builtins.add) (builtins.isFunction (builtins.add 1))
  ((x: x) 1) ((x: y: x) 1 2) (({ }: 1) { }) (({ ... }: 1) { z = 1; }) ((a: a.b) { b = 1; }) (let id = x: x; in id id 3)
  (({ a ? b, b ? 1 }: a) { }) ((_: 1) (throw "lazy")) (let o = { f = x: x + 1; }; in o.f 2)
  (builtins.functionArgs ({ x, y ? throw "not evaluated" }: 1))
]
