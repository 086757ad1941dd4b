let
  closure = start: op: builtins.genericClosure { startSet = map (key: { inherit key; }) start; operator = op; };
in [
  (closure [ 1 ] (x: if x.key < 5 then [ { key = x.key + 1; } { key = x.key + 2; } ] else [ ]))
  (closure [ ] (x: [ ])) (closure [ "b" "a" "b" ] (x: [ ]))
  (map (x: x.v) (builtins.genericClosure { startSet = [ { key = 1; v = "first"; } { key = 1; v = "second"; } ]; operator = x: [ ]; }))
  (closure [ [ 1 2 ] [ 1 ] ] (x: [ { key = [ 1 2 ]; } ])) (closure [ 1.0 2 ] (x: [ { key = 1; } ]))
]
