let f = { src, version }: src; in f { src = 1; other = 2; more = 3; }
