1 + map
