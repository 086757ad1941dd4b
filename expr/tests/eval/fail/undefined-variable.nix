let lenght = 1; in length
