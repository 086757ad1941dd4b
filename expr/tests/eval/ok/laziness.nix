let inf = [ 1 ] ++ inf2; inf2 = [ 2 ]; x = { a = throw "no"; b = 1; }; fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2);
 fix = f: let s = f s; in s; in [ x.b (builtins.length [ x.a x.a ]) (fix (self: { a = 1; b = self.a + 1; })).b (fib 15) inf (let a = 1; b = a; in b) (builtins.head (builtins.tail [ (throw "x") 2 ])) ]
