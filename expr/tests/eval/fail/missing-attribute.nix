{ alpha = 1; }.alhpa
