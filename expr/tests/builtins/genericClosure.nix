{
  normal = [ (builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key > 3 then [ ] else [ { key = x.key + 1; } ]; }) ];
  edge = [
    (builtins.genericClosure { startSet = [ ]; operator = throw "not called"; })
    (builtins.genericClosure { startSet = [ { key = 1; n = 1; } { key = 1; n = 2; } ]; operator = x: [ ]; })
    (builtins.genericClosure { startSet = [ { key = [ 1 "a" ]; } ]; operator = x: [ x ]; })
  ];
  fail.startSet = builtins.genericClosure { operator = x: [ ]; };
  fail.operator = builtins.genericClosure { startSet = [ { key = 1; } ]; };
  fail.key = builtins.genericClosure { startSet = [ { } ]; operator = x: [ ]; };
  fail.mixed = builtins.genericClosure { startSet = [ { key = 1; } { key = "a"; } ]; operator = x: [ ]; };
  fail.result = builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: 1; };
}
