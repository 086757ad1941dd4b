{
  normal = [ (builtins.toXML { a = 1; b = [ "x" true ]; }) ];
  edge = [ (builtins.toXML null) (builtins.toXML [ ]) (builtins.toXML "<&\">\n") (builtins.toXML 1.5) ];
  fail.inner = builtins.toXML [ (throw "inner") ];
}
