{
  normal = [ (toString 1) (toString "a") (toString [ 1 "b" [ 2 ] ]) (toString true) (toString /a) (toString 1.5) ];
  edge = [ (toString null) (toString false) (toString [ ]) (toString { outPath = "o"; }) (toString { __toString = self: self.x; x = "y"; }) (toString [ [ ] [ 1 ] ]) (builtins.toString (-0.0)) ];
  fail.set = toString { };
  fail.function = toString (x: x);
  fail.inner = toString [ { } ];
}
