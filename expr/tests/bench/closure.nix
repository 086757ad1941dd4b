# a closure of 30,000
let
  found = builtins.genericClosure {
    startSet = [ { key = 0; } ];
    operator = { key }: builtins.filter (x: x.key < 30000) [ { key = key * 2 + 1; } { key = key * 2 + 2; } { key = key + 1; } ];
  };
in
builtins.length found
