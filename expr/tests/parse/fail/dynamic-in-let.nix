let b = "a"; ${b} = 1; in a
