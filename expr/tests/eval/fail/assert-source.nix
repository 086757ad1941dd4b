assert 1 + 1 <= 2
  && !(builtins.length [ 1 ] > 0);
1
