{
  normal = [ (builtins.toXML { a = 1; b = [ "x" true ]; }) ];
  edge = [ (builtins.toXML null) (builtins.toXML [ ]) (builtins.toXML "<&\">\n") (builtins.toXML 1.5) (builtins.toXML [ ((a: b: c: c) 1) ((a: { b, c ? 1, ... }@d: b) 1) ]) ];
  fail.inner = builtins.toXML [ (throw "inner") ];
}
