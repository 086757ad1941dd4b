[
  (builtins.split "(a)b" "abc") (builtins.split "([ac])" "abc") (builtins.split "(a)|(c)" "abc") (builtins.split "([[:upper:]]+)" " FOO ") (builtins.split "x" "abc") (builtins.split "" "abc") (builtins.split "x*" "axb")
  (builtins.split "," "a,b,,c,") (builtins.split "," "") (builtins.split "^a" "aaa") (builtins.split "a$" "aaa") (builtins.split "(a|ab)(c|bcd)" "abcd") (builtins.split "\n" "a\nb\n") (builtins.split "[[:space:]]+" "a b  c") (builtins.split "(^|,)b" "b,b")
]
