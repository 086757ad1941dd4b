let n = 5; s = "str"; in [
  "plain" "esc \" \\ \n \r \t \${x} $${x} $" "a ${s} b ${toString n} c" "${s}" "" "${"nested ${s}"}" "\x\q"
  ("a" + "b" + s) "multi
line"
  ''
    indented
      more
    back
  ''
  ''  one line''
  ''
  ''
  ''no newline ${s} ''$ ''${s} ''' '' ''
    a
  	tab
    b''
  ''\n esc ''\n ''\t ''\x''
  ''
      deep

    less
      ${s}
        x
  ''
  http://example.org/x?y=z#no
  ("a" < "b")
]
