assert (true -> false && 1 > 2); 3
