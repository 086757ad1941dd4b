# a sort with a lambda, and one with the builtin comparison
let
  random = builtins.genList (n: let x = n * 7919 + 104729; in x * x - x / 13 * 1299709) 100000;
  sorted = builtins.sort (a: b: a < b) random;
  named = builtins.sort (a: b: a.name < b.name) (map (n: { name = toString n; value = n; }) (builtins.genList (n: builtins.elemAt random n) 30000));
in
[ (builtins.head sorted) (builtins.elemAt sorted 50000) (builtins.head named).value (builtins.head (builtins.sort builtins.lessThan random)) ]
