let f = { src, version }: src; in f { src = 1; verison = 2; }
