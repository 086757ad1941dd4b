let f = n: if n == 0 then [ ] else [ (f (n - 1)) ]; in f 200000 == f 200000
