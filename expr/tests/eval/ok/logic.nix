[
  (true && false) (true || false) (!true) (false -> false) (true -> false) (false -> throw "no") (false && throw "no")
  (true || throw "no") (!false && true) (true -> true -> false) (if 1 == 1 then "yes" else "no")
  (!true || true) (false || false -> false)
]
