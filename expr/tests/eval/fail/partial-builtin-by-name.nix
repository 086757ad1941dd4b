"${map (x: x)}"
