[
  (builtins.match "ab" "abc") (builtins.match "abc" "abc") (builtins.match "a(b)(c)" "abc") (builtins.match "[[:space:]]+([[:upper:]]+)[[:space:]]+" "  FOO   ")
  (builtins.match "(.*)\\.(.*)" "a.b.c") (builtins.match "(a)?(b)?" "b") (builtins.match "" "") (builtins.match "()" "") (builtins.match "(a|ab)(c|bcd)(d*)" "abcd") (builtins.match "a{2,3}" "aaa") (builtins.match "a{2}" "aaa")
  (builtins.match "[^a-c]+" "xyz") (builtins.match "[]x]+" "]x") (builtins.match ".*" "line\nline") (builtins.match "([0-9]+)-([a-z]*)" "12-") (builtins.match "(a*)*" "aa") (builtins.match "((a)|b)*" "ab") (builtins.match "[[:digit:]]{1,3}(\\.[[:digit:]]{1,3}){3}" "10.0.0.1")
  (builtins.match "^a$" "a") (builtins.match "\\(\\)\\.\\*" "().*") (builtins.match "[\\.]" "\\") (builtins.match "é" "é") (builtins.match "." "é") (builtins.match ".." "é")
]
