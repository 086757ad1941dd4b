let f = x: x; a = { inherit f; }; in [
  (1 == 1) (1 == 1.0) (1 == 2) ("a" == "a") ("a" == 1) (null == null) (true == true) (true == false)
  ([ 1 [ 2 ] ] == [ 1 [ 2 ] ]) ([ 1 ] == [ 1 2 ]) ({ a = 1; } == { a = 1; }) ({ a = 1; } == { b = 1; })
  ({ a = { b = [ 1.0 ]; }; } == { a = { b = [ 1 ]; }; }) (/a == /a) (/a == "/a") (f == f) (a == a) ([ f ] == [ f ])
  ((x: x) == (x: x)) (1 != 2) ({ } == { }) ([ ] == [ ]) ([ ] == { }) (null == false)
  ({ type = "derivation"; outPath = "a"; x = 1; } == { type = "derivation"; outPath = "a"; x = 2; })
  ({ type = "derivation"; outPath = "a"; } == { type = "derivation"; outPath = "b"; })
]
