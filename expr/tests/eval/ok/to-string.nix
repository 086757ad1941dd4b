[
  (toString 1) (toString (-5)) (toString 1.5) (toString 1.0e10) (toString 0.1) (toString true) (toString false) (toString null) (toString "s") (toString /a/b)
  (toString [ 1 "a" [ 2 3 ] ]) (toString [ ]) (toString [ [ ] [ ] ]) (toString [ "" "" ]) (toString [ true null "x" false ]) (toString { outPath = "/o"; }) (toString { __toString = self: "x${self.y}"; y = "y"; })
  (toString { outPath = { outPath = "deep"; }; }) (toString [ [ ] 1 ]) (toString [ 1 [ ] ]) (toString [ [ 1 ] [ ] 2 ]) (toString 1.0e300) (toString (-0.0)) "${{ outPath = "p"; }}" "${{ __toString = _: "t"; outPath = throw "no"; }}"
  ("a" + { outPath = "b"; }) (toString { __toString = _: 5; }) (toString { __toString = _: [ 1 2 ]; }) (toString { outPath = 7; })
]
