rec { a = b; b = c + 1; c = a; }.a
