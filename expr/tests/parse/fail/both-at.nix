a@{ b }@c: a
