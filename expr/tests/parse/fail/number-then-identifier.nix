1a b.
